import pytest
from checks import check_command, refusal

from compression.run import check_memory
from compression.run.checks import check_quantized_network as checked


@pytest.fixture(autouse=True)
def nothing_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "checks"))


def network(name):
    return "model=custom", f"model._target_=user_nets.{name}", "strategy=none"


@pytest.mark.parametrize(
    "more", [("bits=8",), ("bits=4", "quantization=qat"), ("bits=8", "quantization=dynamic")], ids=" ".join
)
@pytest.mark.parametrize("name", ["Doubles", "TwoNames", "NegativeScale"])
def test_networks_with_unusual_layers_are_rounded_stored_and_exported(tmp_path, name, more):
    check_command(tmp_path, *network(name), *more)


def test_a_parameter_of_five_dimensions_is_trained_with_rounding(tmp_path):
    check_command(tmp_path, *network("FiveDimensions"), "bits=8", "quantization=qat", "until=quantize")


def test_a_mean_of_two_of_five_axes_is_followed(tmp_path):
    check_command(tmp_path, *network("FiveAxes"), "bits=8", "until=quantize")


def test_a_defect_of_rounding_is_one_line(tmp_path, monkeypatch):
    def fail(*_args, **_settings):
        raise KeyError("conv")

    monkeypatch.setattr(checked, "integer_state", fail)
    found = refusal(tmp_path, *network("Views"), "bits=8", "until=quantize")
    assert found.startswith("model user_nets.Views cannot run in 8 bits: 'conv'")
    assert found.endswith("; bits=32 leaves the network in float")


def test_what_passed_is_remembered_for_all_settings_that_round_alike(tmp_path, monkeypatch):
    check_command(tmp_path, *network("Views"), "bits=8", "until=quantize")
    monkeypatch.setattr(checked, "integer_state", None)
    check_command(tmp_path, *network("Views"), "bits=8", "until=quantize", "quantization.calibration_batches=2")
    found = refusal(tmp_path, *network("Views"), "bits=6", "until=quantize")
    assert "cannot run in 6 bits" in found


def test_nothing_is_rounded_for_a_run_that_stops_earlier(tmp_path, monkeypatch):
    monkeypatch.setattr(checked, "integer_state", None)
    check_command(tmp_path, *network("Views"), "bits=8", "until=dense")


def test_a_graph_of_another_function_is_refused(tmp_path):
    found = refusal(tmp_path, *network("OnlyTensors"), "bits=8", "until=quantize")
    assert "OnlyTensors cannot run in 8 bits: torch.fx follows another function than its forward computes" in found
