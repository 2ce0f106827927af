import copy

import pytest

SIDE = {
    "accuracy": 0.98,
    "accuracy_per_class": {"cat": 1.0, "dog": 0.96},
    "test_images": 360,
    "sparsity": 0.0,
    "layer_sparsity": {"fc.weight": 0.0},
    "parameters": 2_000_000,
    "nonzero_parameters": 2_000_000,
    "macs": 6_400_000,
    "nonzero_macs": 6_400_000,
    "bytes": {"artifact": 8_000_000, "onnx": 8_100_000, "gzip_state_dict": 7_500_000, "safetensors": 2**23},
}


def latency(milliseconds, images_per_second):
    return {
        "latency_ms": {"median": milliseconds, "p10": milliseconds, "p90": milliseconds},
        "images_per_second": images_per_second,
    }


@pytest.fixture
def evaluated():
    """Return the results of an evaluate stage: the compressed model has an eighth of the bytes and lost 1.5 points."""
    dense, compressed = copy.deepcopy(SIDE), copy.deepcopy(SIDE)
    compressed |= {"accuracy": 0.965, "sparsity": 0.9, "layer_sparsity": {"fc.weight": 0.9}}
    compressed["nonzero_parameters"] = 250_000
    compressed["bytes"] = {"artifact": 2**20, "onnx": 8_100_000, "gzip_state_dict": 1_500_000}
    compressed["macs"] = 3_200_000
    compressed["nonzero_macs"] = 400_000
    speedup = {"median": 1.25, "p10": 1.2, "p90": 1.3}
    slower = {"median": 0.5, "p10": 0.45, "p90": 0.55}
    timing = {
        "threads": 2,
        "warmup": 5,
        "repeats": 30,
        "dense": {"load_seconds": 0.02, "peak_memory_bytes": 4 * 2**20},
        "compressed": {"load_seconds": 0.04, "peak_memory_bytes": 2 * 2**20},
        "latency": [
            {
                "engine": "eager",
                "batch_size": 1,
                "dense": latency(5.0, 200.0),
                "compressed": latency(4.0, 250.0),
                "speedup": speedup,
                "best_dense_engine": "eager",
                "speedup_over_best_dense": speedup,
            },
            {
                "engine": "onnxruntime",
                "batch_size": 64,
                "dense": latency(32.0, 2000.0),
                "compressed": latency(64.0, 1000.0),
                "speedup": slower,
                "best_dense_engine": "onnxruntime",
                "speedup_over_best_dense": slower,
            },
        ],
        "left_out": {},
    }
    return {"dense": dense, "compressed": compressed, "timing": timing}
