"""What is taken out of a run's ``metrics.json``; records of sweeps that are damaged are with the sweep."""

import pytest
from sweep_folders import make_metrics

from compression.reporting.metrics_reader import read_measured


def test_numbers_of_a_run():
    steps = [{"step": 1, "sparsity": 0.5, "accuracy_after": 0.9}, {"step": 2, "sparsity": 0.75}]
    found = read_measured(make_metrics(command=("train.py", "sparsity=0.5"), history=steps))
    assert (found.accuracy, found.val_accuracy, found.dense_accuracy, found.dense_val_accuracy) == (
        *(0.96, 0.97),
        *(0.98, 0.985),
    )
    assert (found.bytes, found.dense_bytes, found.macs, found.dense_macs) == (2**20, 2**23, 500, 1000)
    # What this version of the document does not say.
    assert (found.onnx_bytes, found.parameters, found.load_seconds) == (None, None, None)
    assert (found.epochs, found.dense_epochs, found.stage_seconds) == (25, 20, 15.0)
    assert [(step.step, step.sparsity, step.accuracy) for step in found.steps] == [(1, 0.5, 0.9), (2, 0.75, None)]
    assert found.command == ("train.py", "sparsity=0.5")


def test_a_students_epochs_are_without_its_teachers():
    document = make_metrics()
    document["run"]["epochs"] = {"dense": 20, "distil": 7, "prune": 5}
    assert read_measured(document).epochs == 12
    assert read_measured(document).dense_epochs == 20


def test_a_rejected_pruning_step_did_not_train_the_network_in_the_file():
    steps = [{"step": step, "update": 40 * (step - 1), "sparsity": 0.2 * step} for step in (1, 2, 3)]
    document = make_metrics(history=steps)
    document["run"] |= {"epochs": {"dense": 8, "prune": 6, "finetune": 1}, "stopped": "step 3 lost too much"}
    assert read_measured(document).epochs == 8 + 4 + 1
    document["pruning_history"] = steps[:1]
    document["run"]["epochs"] = {"dense": 8, "prune": 2}
    assert read_measured(document).epochs == 8
    # A record of an early version may lack the updates.
    document["pruning_history"] = [{"step": 1, "sparsity": 0.2}, {"step": 2, "sparsity": 0.4}]
    assert read_measured(document).epochs is None


def test_the_fingerprint_of_the_images():
    document = make_metrics()
    assert read_measured(document).fingerprint is None
    document["run"]["data_settings"] = {"image_size": 32, "fingerprint": "cf22"}
    assert read_measured(document).fingerprint == "cf22"


def test_the_fastest_engine_at_a_batch_size_imitated_integers_left_out():
    quantized, floats = read_measured(make_metrics()), read_measured(make_metrics(weight_bits=32))
    assert {one.engine for one in quantized.latencies} == {"onnxruntime", "openvino"}
    assert {one.engine for one in floats.latencies} == {"eager", "onnxruntime", "openvino"}
    best = quantized.latency(64)
    assert (best.engine, best.milliseconds, best.dense_milliseconds) == ("onnxruntime", 4.0, 8.0)
    assert quantized.latency(2) is None
    assert quantized.smallest_batch == 1


def test_an_untimed_run_has_no_latency():
    document = make_metrics()
    document["timing"] = {}
    found = read_measured(document)
    assert (found.latencies, found.smallest_batch, found.stage_seconds) == ((), None, None)


def test_failure_modes_of_a_run_with_an_analysis():
    share = {"value": 0.96, "low": 0.94, "high": 0.975}
    side = {"accuracy": share, "balanced_accuracy": share, "worst_class": {"name": "cat", "recall": 0.8}}
    document = make_metrics()
    assert read_measured(document).failures is None
    document["failure_modes"] = None
    assert read_measured(document).failures is None
    document["failure_modes"] = {"dense": side, "compressed": {**side, "later": 1}, "change": {}, "layers": None}
    found = read_measured(document)
    assert (found.failures.accuracy.low, found.failures.worst_class.name) == (0.94, "cat")
    assert found.failures.balanced_accuracy.value == 0.96
    document["failure_modes"]["compressed"] = {**side, "accuracy": {**share, "low": 1.5}}
    with pytest.raises(ValueError, match=r"failure_modes\.compressed\.accuracy\.low=1\.5: must be a number <= 1\.0"):
        read_measured(document)


def test_actual_bits_stand_beside_those_that_were_asked_for():
    document = make_metrics()
    layers = [{"weight_bits": bits, "activation_bits": 8} for bits in (7, 4, 7)]
    document["quantization"] |= {
        "layers": layers,
        "arithmetic": "W4-7A8, simulated, stored packed",
        "reduced_range": True,
    }
    document["provenance"] |= {
        "machine": {"processor": "new"},
        "stages": {"evaluate": {"machine": {"processor": "old"}}},
    }
    run = read_measured(document)
    assert (run.weight_bits, run.actual_weight_bits, run.actual_activation_bits) == (8, (4, 7), (8, 8))
    assert (run.arithmetic, run.reduced_range) == ("W4-7A8, simulated, stored packed", True)
    # The processor of the measurement, not the one that wrote the report.
    assert run.processor == "old"
    # What the run itself records counts.
    document["run"] |= {"actual_weight_bits": [3, 7], "actual_activation_bits": [4, 8]}
    run = read_measured(document)
    assert (run.actual_weight_bits, run.actual_activation_bits) == ((3, 7), (4, 8))


def test_a_float_model_has_32_bits():
    run = read_measured(make_metrics(weight_bits=32))
    assert (run.actual_weight_bits, run.actual_activation_bits, run.arithmetic) == ((32, 32), (32, 32), None)
