"""Imports without garbage collection: modules stay until the process ends, so searching them for garbage finds none."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected_imports() -> Iterator[None]:
    """Import modules in this block without garbage collection, and exempt their objects from later collections.

    PyTorch, Lightning and the packages they need create some million objects. The collector would visit all of them
    many times while they are imported, and twice more when the process ends. A block that imports no module exempts
    nothing.
    """
    enabled, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
        if len(sys.modules) > before:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()
