import pytest

from compression.config.require import require
from compression.core.errors import InputError


def test_require():
    require(True, "key", 1, "anything")
    with pytest.raises(InputError, match=r"^key=1: must be 2$"):
        require(False, "key", 1, "2")
