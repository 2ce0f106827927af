import numpy as np
import pytest

from compression.storage.accounting import LayerCount, formula_bytes, order0_bits


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        ([0, 1, 0, 1], 4),
        # Two of 1 bit, two of 2.
        ([0, 0, 5, -7], 2 * 1 + 2 * 2),
        ([[0, 0, 0, 0], [1, 1, 2, 3]], 4 * 1 + 2 * 2 + 2 * 3),
        # A decoder knows a single value without a bit.
        ([3, 3, 3], 0),
        ([], 0),
    ],
)
def test_order_0_bits_by_hand(values, bits):
    assert order0_bits(np.array(values, dtype=np.int8)) == pytest.approx(bits)


def test_order_0_bits_depend_only_on_frequencies():
    values = np.random.default_rng(0).integers(-3, 4, size=500).astype(np.int8)
    assert order0_bits(np.sort(values)) == pytest.approx(order0_bits(values))
    assert order0_bits(values * 9) == pytest.approx(order0_bits(values))
    assert order0_bits(values) <= 500 * np.log2(7)


def test_formula_by_hand():
    # 10 * (6 + 3) = 90 bits are 12 bytes, and 2 scales 8.
    assert formula_bytes({"conv": LayerCount(nonzero=10, bits=6, channels=2)}) == 12 + 8
    # Bits are rounded up once, over all layers: 90 and 3 * (4 + 3) = 111 bits, 14 bytes.
    layers = {"conv": LayerCount(10, 6, 2), "head": LayerCount(3, 4, 1)}
    assert formula_bytes(layers) == 14 + 12
    assert formula_bytes({}) == 0
