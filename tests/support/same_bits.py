"""Comparison of arrays bit for bit."""

from typing import Any

from numpy.typing import NDArray


def assert_same_bits(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    """Assert that ``actual`` is writable and has the same type, shape and bytes, including NaN and -0.0."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()
    assert actual.flags.writeable
