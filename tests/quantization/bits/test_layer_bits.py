import pytest

from compression.core.errors import InputError
from compression.models.layer_groups import layer_groups
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
        # The most specific wins, in any order.
        ([("blocks.0.conv", 8, 8), ("blocks", 2, 8)], [4, 8, 2, 4]),
        ([("blocks", 2, 8), ("blocks.0.conv", 8, 8)], [4, 8, 2, 4]),
        ([("*", 6, 8), ("blocks", 2, 8), ("blocks.0.conv", 8, 8)], [6, 8, 2, 6]),
        # Equal bits do not contradict each other.
        ([("ends", 8, 8), ("first", 8, 8), ("stem", 8, 8)], [8, 4, 4, 8]),
    ],
)
def test_overrides_match_names_patterns_and_groups(overrides, weight_bits):
    bits = assign_bits(LAYERS, Bits(4, 6), overrides, groups=GROUPS)
    assert list(bits) == LAYERS
    assert [each.weight for each in bits.values()] == weight_bits
    assert [each.activation for each in bits.values()] == [6 if weight == 4 else 8 for weight in weight_bits]


def test_missing_activation_bits_are_the_default():
    # Not those of a wider override.
    overrides = [("*", 8, 8), ("head", 2, None)]
    assert assign_bits(LAYERS, Bits(4, 6), overrides, groups={})["head"] == Bits(2, 6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            [("first", 8, 8), ("stem", 2, 8)],
            "first and stem both fit layer stem with different bits, and neither is more specific",
        ),
        # Neither holds all layers of the other.
        (
            [("ends", 8, 8), ("blocks", 4, 8), ("*[md]", 2, 8), ("*.conv", 2, 8)],
            "ends and *[md] both fit layer stem",
        ),
    ],
)
def test_a_tie_is_refused(overrides, message):
    with pytest.raises(InputError) as caught:
        assign_bits(LAYERS, Bits(4, 6), overrides, groups=GROUPS)
    assert str(caught.value).startswith(f"quantization.layer_bits: {message}")
    assert str(caught.value).endswith("give the bits of stem by its name")


def test_a_tie_is_settled_by_a_third_override_that_is_more_specific():
    layers, overrides = ["a.x", "a.y", "b.x"], [("a.*", 8, 8), ("*.x", 2, 8)]
    with pytest.raises(InputError, match=r"a\.\* and \*\.x both fit layer a.x"):
        assign_bits(layers, Bits(4, 6), overrides, groups={})
    bits = assign_bits(layers, Bits(4, 6), [*overrides, ("a.x", 3, 8)], groups={})
    assert [bits[name].weight for name in layers] == [3, 8, 2]


def test_the_first_convolution_of_vgg11_keeps_its_bits_beside_the_features_that_hold_it():
    groups = layer_groups("compression.models.vgg11.vgg11")
    layers = ["features.0", "features.4", "features.8", "classifier"]
    for overrides in ([("first_conv", 8, 8), ("features", 4, 8)], [("features", 4, 8), ("first_conv", 8, 8)]):
        bits = assign_bits(layers, Bits(6, 6), overrides, groups=groups)
        assert [bits[name].weight for name in layers] == [8, 4, 4, 6]


def test_a_misspelled_group_gets_the_nearest_name():
    with pytest.raises(InputError) as caught:
        assign_bits(LAYERS, Bits(8, 8), [("block", 4, 4)], groups=GROUPS)
    assert str(caught.value) == (
        "quantization.layer_bits=block: fits no layer (did you mean blocks?); must be first, last, blocks, ends, or a "
        "pattern of names such as stem"
    )


@pytest.mark.parametrize("pattern", ["conv", "Trunk", "tail"])
def test_a_pattern_that_fits_no_layer_is_refused(pattern):
    with pytest.raises(InputError) as caught:
        assign_bits(LAYERS, Bits(8, 8), [("head", 4, 4), (pattern, 4, 4)], groups={"ends": ["stem"]})
    assert str(caught.value) == (
        f"quantization.layer_bits={pattern}: fits no layer; must be first, last, ends, or a pattern of names such as "
        "stem"
    )
