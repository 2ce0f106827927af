"""Fixtures for all tests."""

import gc
from pathlib import Path

import pytest
import torch
from browser import MISSING, find_chromium
from machine import THREADS
from translations import keep_translations

from compression.core.errors import InputError
from compression.runtimes.sparse.compiler import find_compiler

# Nearly every test of these needs a C compiler. Other tests that do have the marker.
COMPILED = ("runtimes/sparse/", "runtimes/test_sparse.py", "commands/test_convert_to_c.py")


def pytest_collection_modifyitems(items):
    """Skip what needs a C compiler or a browser, if none is found."""
    if find_chromium() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=MISSING))
    try:
        find_compiler()
    except InputError as error:
        for item in items:
            place = item.path.relative_to(Path(__file__).parent).as_posix()
            if place.startswith(COMPILED) or item.get_closest_marker("compiler"):
                item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(autouse=True)
def threads():
    """The number of threads of ``make test THREADS=...``, restored before every test."""
    torch.set_num_threads(THREADS)


@pytest.fixture(scope="session", autouse=True)
def translations():
    """A cache, so that exports of one process read their translations once."""
    keep_translations()


@pytest.fixture(scope="session", autouse=True)
def imported():
    """Imported modules, frozen so that the garbage collector does not scan them again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
