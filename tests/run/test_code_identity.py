import sys

import pytest

from compression.run.code_identity import user_code


@pytest.fixture
def my_nets(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text("width = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "my_nets.py"
    sys.modules.pop("my_nets", None)


def test_an_edited_file_is_another_one(my_nets):
    before = user_code({"_target_": "my_nets.Net"})
    assert list(before) == ["my_nets.Net"]
    assert user_code({"_target_": "my_nets.Net"}) == before
    my_nets.write_text("width = 2\n")
    assert user_code({"_target_": "my_nets.Net"}) != before


@pytest.mark.usefixtures("my_nets")
def test_targets_are_found_at_every_depth_and_installed_packages_left_out():
    settings = {
        "_target_": "torch.nn.Linear",
        "part": {"_target_": "my_nets.Net"},
        "other": {"_target_": "compression.pruning.criteria.random.Random"},
    }
    assert list(user_code(settings)) == ["compression.pruning.criteria.random.Random", "my_nets.Net"]


def test_without_targets_there_is_nothing():
    assert user_code({"epochs": 3}) == {}
