"""Fixtures for all tests."""

import gc

import pytest
import torch
from machine import THREADS
from translations import keep_translations


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
