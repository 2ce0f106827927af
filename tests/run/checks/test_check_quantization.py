import pytest
from checks import refusal


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("bits=8 quantization.layer_bits=[stem:8]", "quantization.layer_bits=stem: fits no layer; must be first, last"),
        ("bits=8 quantization.activations.num_candidates=0", "num_candidates=0: must be"),
        ("bits=8 quantization.layer_bits=['*:32/32']", "leaves no layer to quantize"),
    ],
)
def test_wrong_quantization_settings_are_refused(tmp_path, overrides, message):
    assert message in refusal(tmp_path, "strategy=none", *overrides.split())


def test_a_budget_below_the_smallest_size_is_refused(tmp_path):
    budget = "quantization.allocation.max_bytes=10"
    assert refusal(tmp_path, "strategy=none", "bits=8", budget) == (
        # (864 + 18432 + 640) weights of 2 bits each.
        f"{budget}: must be at least 4984, all weights in 2 bits"
    )
