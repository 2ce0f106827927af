import pytest

from compression.run import check_memory
from compression.run.check_memory import CheckMemory, cache_folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "checks"))
    return tmp_path / "checks"


def test_a_result_is_recalled_by_its_settings(folder):
    assert CheckMemory("network", {"size": 32}).recall() is None
    CheckMemory("network", {"size": 32}).remember({"notes": ["one"]})
    assert CheckMemory("network", {"size": 32}).recall() == {"notes": ["one"]}
    assert CheckMemory("network", {"size": 64}).recall() is None
    assert CheckMemory("other", {"size": 32}).recall() is None
    assert len(list(folder.iterdir())) == 1


def test_another_version_of_a_package_is_not_found(monkeypatch):
    CheckMemory("network", {}).remember({})
    assert CheckMemory("network", {}).recall() == {}
    monkeypatch.setattr(check_memory, "_version", lambda package: f"another {package}")
    assert CheckMemory("network", {}).recall() is None


@pytest.mark.parametrize("damage", ["", "{", "[1]"])
def test_a_damaged_file_is_not_found(damage):
    memory = CheckMemory("network", {})
    memory.remember({"a": 1})
    memory.path.write_text(damage)
    assert memory.recall() is None


def test_a_cache_that_cannot_be_written_remembers_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "file" / "checks"))
    memory = CheckMemory("network", {})
    memory.remember({"a": 1})
    assert memory.recall() is None


def test_the_folder_lies_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(check_memory.CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "compression" / "checks"
