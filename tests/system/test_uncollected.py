"""Imports without garbage collection."""

import gc
import sys

import pytest

from compression.system.uncollected import uncollected_imports


def test_objects_of_imported_modules_are_old(monkeypatch, tmp_path):
    (tmp_path / "made_for_this_test.py").write_text("values = [[1], [2]]\n")
    monkeypatch.syspath_prepend(tmp_path)
    with uncollected_imports():
        assert not gc.isenabled()
        import made_for_this_test
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert any(one is made_for_this_test.values for one in gc.get_objects(generation=2))
    del sys.modules["made_for_this_test"]


def test_a_block_that_imports_nothing_changes_no_generation():
    gc.collect()
    with uncollected_imports():
        values = [[1], [2]]
    assert not any(one is values for one in gc.get_objects(generation=2))


def test_collection_is_on_again_after_an_error():
    with pytest.raises(ModuleNotFoundError), uncollected_imports():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        with uncollected_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
