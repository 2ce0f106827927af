from shutil import copy

import onnx
import pytest
import torch
from narrow_vgg import ABOUT, make_integers, make_narrow_vgg
from safetensors.torch import load_file
from small_files import ALLOW, run, save_small
from tiny_net import TinyNet

from compression.artifact import load_artifact, save_artifact
from compression.core.tracing import trace
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.storage.safetensors_bitmask import read_bitmask_file


def test_convert_to_state_dict_and_safetensors(folder, tmp_path):
    expected = load_artifact(folder / "mobile.cmp").model.state_dict()
    result = run("convert", folder / "mobile.cmp", "--to", "state_dict", "--output", tmp_path / "m.pt")
    num_bytes = (tmp_path / "m.pt").stat().st_size
    assert result.stdout == f"{tmp_path / 'm.pt'}: PyTorch state dict, FP32: {num_bytes:,} bytes\n"
    run("convert", folder / "mobile.cmp", "--to", "safetensors", "--output", tmp_path / "m.safetensors")
    for state in (torch.load(tmp_path / "m.pt"), load_file(tmp_path / "m.safetensors")):
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_convert_to_safetensors_with_a_bitmask(tmp_path):
    model = TinyNet(num_classes=2, width=32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.9)
    save_small(tmp_path / "m.cmp", model, target="tiny_net.TinyNet", kwargs={"width": 32})
    expected = load_artifact(tmp_path / "m.cmp", allow=["tiny_net"]).model.state_dict()
    result = run("convert", tmp_path / "m.cmp", "--to", "safetensors_bitmask")
    assert result.exit_code == 0, result.output
    written = tmp_path / "m.bitmask.safetensors"
    num_bytes = written.stat().st_size
    label = "safetensors, sparse weights with a bitmask, FP32"
    assert result.stdout == f"{written}: {label}: {num_bytes:,} bytes\n"
    state = read_bitmask_file(written)
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    run("convert", tmp_path / "m.cmp", "--to", "safetensors")
    assert num_bytes < 0.8 * (tmp_path / "m.safetensors").stat().st_size


def test_converted_integers_are_labelled_and_stay_integers(tmp_path):
    float_model = TinyNet(num_classes=2).eval()
    plan = make_plan(float_model, dict.fromkeys(quantizable_layers(float_model), Bits(4, 8)), activation_bits=8)
    made = quantized(float_model, plan, Calibration(MinMax, MinMax, 1), [(torch.randn(4, 3, 16, 16), None)])
    model = integer_network(trace(float_model), plan)
    model.load_state_dict(integer_state(made.network, plan))
    save_small(tmp_path / "m.cmp", model.eval(), target="tiny_net.TinyNet", kwargs={}, plan=plan)
    expected = model.state_dict()
    # In these files a 4-bit integer takes a byte.
    label = "INT8 (W4A8, simulated)"
    for to, name in {
        "safetensors": "safetensors",
        "safetensors_bitmask": "bitmask.safetensors",
        "onnx": "onnx",
    }.items():
        result = run("convert", tmp_path / "m.cmp", "--to", to, "--allow-import", "tiny_net")
        assert result.exit_code == 0, result.output
        assert f", {label}: {(tmp_path / f'm.{name}').stat().st_size:,} bytes" in result.stdout
    for state in (load_file(tmp_path / "m.safetensors"), read_bitmask_file(tmp_path / "m.bitmask.safetensors")):
        assert state.keys() == expected.keys()
        assert all(
            state[key].dtype == value.dtype and torch.equal(state[key], value) for key, value in expected.items()
        )
    assert state["classifier.weight"].dtype == torch.int8


def test_scales_and_biases_on_grids_get_their_values(tmp_path):
    model, plan = make_integers(make_narrow_vgg(), rdoq_lambda=0.01)
    save_artifact(tmp_path / "m.cmp", model, **ABOUT, plan=plan)
    result = run("convert", tmp_path / "m.cmp", "--to", "safetensors")
    assert result.exit_code == 0, result.output
    found, expected = load_file(tmp_path / "m.safetensors"), model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in expected.items())


def test_convert_to_onnx_beside_the_file(folder, tmp_path):
    own = copy(folder / "own.cmp", tmp_path)
    result = run("convert", own, "--to", "onnx", *ALLOW)
    assert result.exit_code == 0, result.output
    num_bytes = (tmp_path / "own.onnx").stat().st_size
    assert result.stdout == f"{tmp_path / 'own.onnx'}: ONNX, FP32: {num_bytes:,} bytes\n"
    proto = onnx.load(tmp_path / "own.onnx")
    assert {prop.key: prop.value for prop in proto.metadata_props}["class_names"] == '["blue", "red"]'


def test_convert_never_overwrites_its_input(folder):
    before = (folder / "mobile.cmp").read_bytes()
    result = run("convert", folder / "mobile.cmp", "--to", "onnx", "--output", folder / "mobile.cmp")
    assert result.exit_code == 2
    assert "is the artifact itself; allowed: another file" in result.stderr
    assert (folder / "mobile.cmp").read_bytes() == before


@pytest.mark.parametrize(("to", "name"), [("onnx", "model.onnx"), ("safetensors", "model.safetensors")])
def test_a_file_beside_the_artifact_is_not_replaced_unless_named(folder, tmp_path, to, name):
    file, taken = copy(folder / "mobile.cmp", tmp_path / "model.cmp"), tmp_path / name
    taken.write_text("of the run")
    result = run("convert", file, "--to", to)
    assert (result.exit_code, result.stdout) == (2, "")
    allowed = "allowed: --output with a new file, or with this one to replace it"
    assert result.stderr == f"error: {taken} exists already; {allowed}\n"
    assert taken.read_text() == "of the run"
    assert run("convert", file, "--to", to, "--output", taken).exit_code == 0
    assert taken.stat().st_size > 100
