"""Imports without garbage collection: modules stay until the process ends, so searching them for garbage finds none."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected_imports() -> Iterator[None]:
    """Import modules in this block without garbage collection, and count their objects as old ones afterwards.

    PyTorch, Lightning and the packages they need create about a million objects. The collector would visit them again
    and again while they are imported. Old objects are visited rarely.
    """
    enabled, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
        if len(sys.modules) > before:
            # The only way to make objects old without visiting them. They must not stay frozen: nanobind, which Triton
            # uses, would report them as leaked at the end of the process.
            gc.freeze()
            gc.unfreeze()
    finally:
        if enabled:
            gc.enable()
