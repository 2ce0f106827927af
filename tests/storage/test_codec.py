import numpy as np
import pytest

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, is_stored, num_values


def test_total_of_parts():
    assert Parts(values=3, index=4, side=5).total == 12
    assert Parts().total == 0


def test_values_are_flattened_in_c_order_and_little_endian():
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=">i2")
    for same in (array, np.asfortranarray(array), array.astype("<i2")):
        flat = flatten(same)
        assert flat.dtype == np.dtype("<i2")
        assert flat.tobytes() == bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0])
    assert flatten(np.array(7, dtype=np.int8)).shape == (1,)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_only_zero_is_left_out(dtype):
    # Negative zero and the smallest positive number have bits set.
    values = np.array([0.0, -0.0, 1.0, np.nan, np.nextafter(dtype(0), dtype(1))], dtype=dtype)
    assert is_stored(flatten(values)).tolist() == [False, True, True, True, True]


@pytest.mark.parametrize(("shape", "num"), [((), 1), ((0,), 0), ((3, 0, 2), 0), ((2, 3, 5), 30), ((1 << 40,), 1 << 40)])
def test_number_of_values(shape, num):
    assert num_values(shape) == num


def test_a_wrong_number_of_bytes_is_an_error_that_names_the_codec():
    check_num_bytes(8, expected=8, codec="dense")
    for actual in (7, 9):
        with pytest.raises(ArtifactError) as caught:
            check_num_bytes(actual, expected=8, codec="dense")
        assert str(caught.value) == f"damaged: dense codec has {actual} bytes where the shape requires 8"
