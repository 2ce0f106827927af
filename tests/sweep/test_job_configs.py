import pytest

from compression.core.errors import InputError


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sparsity=0.5,0.7", "until=prune"], "until=prune: must be evaluate or analyze, for a sweep compares what"),
        (["sparsity=0.5,0.50"], "jobs sparsity=0.5 and sparsity=0.5 are the same one; each must be given once"),
        (["sparsity=0.1,0.7,0.7000000000000001"], "sparsity=0.7 and sparsity=0.7000000000000001 are the same one"),
    ],
)
def test_wrong_sweeps_are_refused_before_a_folder_is_made(start, tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        start(*overrides)
    assert not (tmp_path / "mine").exists()
