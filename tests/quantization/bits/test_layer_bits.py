import pytest

from compression.core.errors import InputError
from compression.quantization.bits.layer_bits import assign_bits
from compression.quantization.plan import Bits

LAYERS = ["stem", "blocks.0.conv", "blocks.1.conv", "head"]
GROUPS = {"blocks": ["blocks.*"], "ends": ["stem", "head"]}


@pytest.mark.parametrize(
    ("overrides", "weight_bits"),
    [
        ([], [4, 4, 4, 4]),
        ([("first", 8, 8)], [8, 4, 4, 4]),
        ([("last", 8, 8)], [4, 4, 4, 8]),
        ([("ends", 8, 8)], [8, 4, 4, 8]),
        ([("blocks", 2, 8)], [4, 2, 2, 4]),
        ([("blocks.1.*", 2, 8)], [4, 4, 2, 4]),
        ([("blocks.[!1].conv", 2, 8)], [4, 2, 4, 4]),
        # The last one wins, whichever is the narrower.
        ([("blocks.0.conv", 8, 8), ("blocks", 2, 8)], [4, 2, 2, 4]),
        ([("blocks", 2, 8), ("blocks.0.conv", 8, 8)], [4, 8, 2, 4]),
    ],
)
def test_overrides_match_names_patterns_and_groups(overrides, weight_bits):
    bits = assign_bits(LAYERS, Bits(4, 6), overrides, groups=GROUPS)
    assert list(bits) == LAYERS
    assert [each.weight for each in bits.values()] == weight_bits
    assert [each.activation for each in bits.values()] == [6 if weight == 4 else 8 for weight in weight_bits]


def test_missing_activation_bits_are_the_default():
    # Not those of an override before.
    overrides = [("head", 8, 8), ("head", 2, None)]
    assert assign_bits(LAYERS, Bits(4, 6), overrides, groups={})["head"] == Bits(2, 6)


@pytest.mark.parametrize("pattern", ["conv", "Stem", "blocks"])
def test_a_pattern_that_fits_no_layer_is_refused(pattern):
    with pytest.raises(InputError) as caught:
        assign_bits(LAYERS, Bits(8, 8), [("head", 4, 4), (pattern, 4, 4)], groups={"ends": ["stem"]})
    assert str(caught.value) == (
        f"quantization.layer_bits={pattern}: fits no layer; must be first, last, ends, or a pattern of names such as "
        "stem"
    )
