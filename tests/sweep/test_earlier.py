"""What is found in a sweep's folder before it is begun."""

import pytest

from compression.core.errors import InputError


def test_a_file_in_the_folders_place_is_told_before_the_plan(start, tmp_path, capsys):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match=r"mine is a file: give another name=$"):
        start("sparsity=0.5,0.7")
    assert "to make" not in capsys.readouterr().out


def test_a_folder_of_something_else_is_left_alone(start, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "search.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine holds a search .search.json.: give another name="):
        start("sparsity=0.5,0.7")
    (tmp_path / "mine" / "search.json").unlink()
    (tmp_path / "mine" / "sweep.json").write_text('{"schema_version": 9}')
    with pytest.raises(InputError, match="schema_version is 9; known: 1; give another name="):
        start("sparsity=0.5,0.7")
