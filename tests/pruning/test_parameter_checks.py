import pytest

from compression.core.errors import InputError
from compression.pruning.parameter_checks import check_count


@pytest.mark.parametrize("count", [1, 1 << 40])
def test_a_valid_count_is_returned(count):
    assert check_count(count, key="strategy.schedule.steps") == count


@pytest.mark.parametrize("count", [0, -3, 2.0, True, "2", None])
def test_anything_else_is_named_with_its_key(count):
    with pytest.raises(InputError) as caught:
        check_count(count, key="strategy.schedule.steps")
    assert str(caught.value) == f"strategy.schedule.steps={count}: must be an integer >= 1"
