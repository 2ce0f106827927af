import pytest
from processors import WITH_VNNI, WITHOUT_VNNI, state_processor
from safetensors.torch import load_file

LAYERS = ["features.0", "features.3", "classifier"]


@pytest.mark.parametrize(("processor", "weight_bits"), [(WITH_VNNI, 8), (WITHOUT_VNNI, 7)])
def test_weights_have_7_bits_on_processors_that_saturate(make, monkeypatch, processor, weight_bits):
    state_processor(monkeypatch, processor)
    made = make("quantize", "strategy=none bits=8")
    assert {row["weight_bits"] for row in made.results["layers"]} == {weight_bits}
    assert made.results["reduced_range"] == (weight_bits == 7)
    assert made.record["key"]["inputs"]["reduced_range"] == (weight_bits == 7)


@pytest.mark.parametrize(("processor", "eight"), [(WITH_VNNI, 8), (WITHOUT_VNNI, 7)])
def test_layer_bits_override_the_bits_of_the_run(make, monkeypatch, processor, eight):
    state_processor(monkeypatch, processor)
    made = make("quantize", "strategy=none bits=4 quantization.layer_bits=[first:8,'features.*:6/8',last:8]")
    rows = {row["layer"]: (row["weight_bits"], row["activation_bits"]) for row in made.results["layers"]}
    # The most specific pattern wins. Bits that no pattern sets are those of the run.
    assert rows == {"features.0": (eight, 4), "features.3": (6, 8), "classifier": (eight, 4)}


def test_reduce_range_limits_8_bit_weights_to_7_bits(shared):
    commands = [f"strategy=none bits={bits} quantization.reduce_range=true until=quantize" for bits in (8, 4)]
    made, less = (shared(command)["quantize"] for command in commands)
    assert made.results["reduced_range"]
    assert {row["weight_bits"] for row in made.results["layers"]} == {7}
    assert not less.results["reduced_range"]
    state = load_file(made.path / "model.safetensors")
    assert max(int(state[f"{name}.weight"].abs().max()) for name in LAYERS) == 63
