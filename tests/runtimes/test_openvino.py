import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from qdq_graphs import HIDDEN_SCALE, QdqGraph, make_chain, make_residual

from compression.core.errors import InputError
from compression.runtimes.cpu_features import read_cpu_features
from compression.runtimes.onnxruntime import OnnxRuntime
from compression.runtimes.openvino import KEPT, OpenVinoRuntime, compile_model, make_settings, read_model
from compression.runtimes.parity import compare_logits

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra openvino")


def make_images(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 8, 8), dtype=np.float32)


@pytest.fixture
def chain(tmp_path):
    path = tmp_path / "chain.onnx"
    onnx.save(make_chain(), path)
    return path


def make_float(path):
    """Write a convolution without any quantization."""
    weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3), dtype=np.float32)
    graph = QdqGraph()
    tensor = graph.add("Conv", "input", graph.constant("weight", weight), name="conv", pads=[1] * 4)
    tensor = graph.add("Relu", tensor, name="relu")
    onnx.save(graph.build(tensor, shape=("batch", 8, 8, 8)), path)


def test_float_equals_onnxruntime_at_any_batch_size(tmp_path):
    path = tmp_path / "float.onnx"
    make_float(path)
    predict, reference = (engine.load(path, threads=1) for engine in (OpenVinoRuntime(), OnnxRuntime()))
    for batch in (1, 2, 5, 1, *range(3, 4 + KEPT), 2):
        images = make_images(batch, seed=batch)
        np.testing.assert_allclose(predict(images), reference(images), atol=1e-5)


def test_logits_outlive_the_next_batch(chain):
    predict = OpenVinoRuntime().load(chain, threads=1)
    first = predict(make_images(2))
    before = first.copy()
    predict(make_images(2, seed=1))
    np.testing.assert_array_equal(first, before)
    assert first.dtype == np.float32


def test_images_in_another_memory_order(chain):
    predict = OpenVinoRuntime().load(chain, threads=1)
    images = make_images(4)
    np.testing.assert_array_equal(predict(np.asfortranarray(images)), predict(images))
    np.testing.assert_array_equal(predict(images[::2]), predict(images)[::2])


def test_a_file_may_be_deleted_after_loading(chain):
    predict = OpenVinoRuntime().load(chain, threads=1)
    chain.unlink()
    assert predict(make_images(3)).shape == (3, 5)


def read_precisions(path):
    model = compile_model(read_model(path), batch_size=2, settings=make_settings(threads=1))
    nodes = [node.get_rt_info() for node in model.get_runtime_model().get_ordered_ops()]
    found = {}
    for node in nodes:
        kind, precision = (node[key].astype(str) for key in ("layerType", "runtimePrecision"))
        found.setdefault(kind, set()).add(precision)
    return found


@pytest.mark.parametrize("clip", [None, (0, 63)])
def test_a_quantized_chain_runs_in_integers_and_equals_onnxruntime(tmp_path, clip):
    path = tmp_path / "chain.onnx"
    onnx.save(make_chain(clip=clip), path)
    precisions = read_precisions(path)
    # Other processors lack some of the integer kernels; what they do instead must be right as well.
    if read_cpu_features().avx2:
        assert precisions["Convolution"] | precisions["FullyConnected"] <= {"u8", "i8"}
    images = make_images(64)
    predict, reference = (engine.load(path, threads=1) for engine in (OpenVinoRuntime(), OnnxRuntime()))
    logits, expected = predict(images), reference(images)
    assert np.abs(expected).max() > 0.1
    # A step of one averaged activation is 0.01 times its weight.
    assert np.abs(logits - expected).max() < 0.01


def test_a_residual_block_is_close_to_onnxruntime(tmp_path):
    path = tmp_path / "residual.onnx"
    onnx.save(make_residual(), path)
    predict, reference = (engine.load(path, threads=1) for engine in (OpenVinoRuntime(), OnnxRuntime()))
    batches, labels = (make_images(32, seed=seed) for seed in range(2)), np.zeros(32, dtype=np.int64)
    parity = compare_logits((reference(images), predict(images), labels) for images in batches)
    assert parity.images == 64
    assert parity.max_logit_difference < HIDDEN_SCALE


def test_float_layers_stay_float32_and_threads_are_respected(tmp_path):
    path = tmp_path / "float.onnx"
    make_float(path)
    model = compile_model(read_model(path), batch_size=1, settings=make_settings(threads=1))
    assert model.get_property("INFERENCE_NUM_THREADS") == 1
    assert model.get_property("NUM_STREAMS") == 1
    assert read_precisions(path)["Convolution"] == {"f32"}


def damage(path, how):
    proto = onnx.load(path)
    match how:
        case "empty":
            return b""
        case "junk":
            return b"junk"
        case "truncated":
            return path.read_bytes()[:-10]
        case "half":
            return path.read_bytes()[: path.stat().st_size // 2]
        case "future opset":
            proto.opset_import[0].version = 99
        case "unknown operator":
            proto.graph.node[2].op_type = "Bogus"
        case "missing input":
            proto.graph.node[2].input[0] = "nowhere"
    return proto.SerializeToString()


@pytest.mark.parametrize("engine", [OnnxRuntime, OpenVinoRuntime])
@pytest.mark.parametrize(
    "how", ["empty", "junk", "truncated", "half", "future opset", "unknown operator", "missing input"]
)
def test_bad_files(chain, how, engine, capfd):
    chain.write_bytes(damage(chain, how))
    with pytest.raises(InputError, match=r"^ONNX file .*chain.onnx' cannot be read: \S") as caught:
        engine().load(chain, threads=1)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_operator_of_another_engine_is_refused(chain):
    proto = onnx.load(chain)
    proto.graph.node[2].domain = "com.bogus"
    onnx.save(proto, chain)
    with pytest.raises(InputError, match=r"^ONNX file .* cannot be read: \S") as caught:
        OpenVinoRuntime().load(chain, threads=1)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    path = tmp_path / "none.onnx"
    with pytest.raises(InputError) as caught:
        OpenVinoRuntime().load(path, threads=1)
    assert str(caught.value) == f"ONNX file {str(path)!r} does not exist"


def test_a_missing_package(chain, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError) as caught:
        OpenVinoRuntime().load(chain, threads=1)
    assert str(caught.value) == 'openvino is not installed: pip install "compression[openvino]"'


def test_nothing_is_printed_and_no_telemetry_is_sent(chain, tmp_path):
    # A separate process, in which a warning at import is an error, and so is any message to the maker.
    script = (
        "import sys, numpy, openvino_telemetry\n"
        "def refuse(*args, **kwargs): raise SystemExit('telemetry')\n"
        "openvino_telemetry.Telemetry.__init__ = refuse\n"
        "from compression.runtimes.openvino import OpenVinoRuntime\n"
        "OpenVinoRuntime().load(sys.argv[1], threads=1)(numpy.zeros((2, 3, 8, 8), numpy.float32))\n"
        "assert sys.modules['openvino_telemetry'] is openvino_telemetry\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(chain)],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home), "USERPROFILE": str(home)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []
