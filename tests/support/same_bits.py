"""Whether an array came back bit for bit."""

from typing import Any

from numpy.typing import NDArray


def assert_same_bits(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    """Same type, shape and bytes, NaN and -0.0 included, and open to be written."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()
    assert actual.flags.writeable
