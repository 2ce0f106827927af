"""What holds for all tests."""

import gc

import pytest
import torch
from machine import THREADS
from translations import keep_translations


@pytest.fixture(autouse=True)
def threads():
    """As many threads as `make test THREADS=...` says, whatever the test before left."""
    torch.set_num_threads(THREADS)


@pytest.fixture(scope="session", autouse=True)
def translations():
    """Exports of one process share what they read."""
    keep_translations()


@pytest.fixture(scope="session", autouse=True)
def imported():
    """What is imported by now stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
