import pytest

from compression.core.errors import InputError
from compression.run.recorded_config import resolve_recorded

CONFIG = {"seed": "${other.number}", "other": {"number": 5}, "data": {"root": "${oc.env:PLACE}/imgs", "mean": [0.5]}}


def test_interpolations_are_resolved(monkeypatch):
    monkeypatch.setenv("PLACE", "/disk")
    assert resolve_recorded(CONFIG, "data") == {"root": "/disk/imgs", "mean": [0.5]}
    assert resolve_recorded(CONFIG, "seed") == 5


@pytest.mark.parametrize(
    ("root", "why"),
    [
        ("${oc.env:PLACE}/imgs", "Environment variable 'PLACE' not found"),
        ("${unknown:cwd}", "Unsupported interpolation type unknown"),
        ("${nothing}", "Interpolation key 'nothing' not found"),
    ],
)
def test_a_value_that_is_not_known_here_is_one_line(monkeypatch, root, why):
    monkeypatch.delenv("PLACE", raising=False)
    with pytest.raises(InputError) as caught:
        resolve_recorded({"data": {"root": root}}, "data")
    assert str(caught.value) == f"data.root cannot be resolved: {why}"


def test_a_missing_key_is_no_input_error():
    with pytest.raises(KeyError, match="seed"):
        resolve_recorded({"data": {}}, "seed")
