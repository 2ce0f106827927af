"""A cache for the ONNX exporter of PyTorch, which otherwise reads its 500 translations from source at every export."""

import functools
import importlib
import pkgutil
from collections.abc import Callable


def keep_translations() -> Callable[[], object] | None:
    """Let every export of this process use the translations that the first export reads; return their reader.

    Returns None if this version of onnxscript keeps them elsewhere. Exports are then as slow as for users.
    """
    import onnxscript._framework_apis as versions

    kept: dict[object, Callable[[], object]] = {}
    for found in pkgutil.iter_modules(versions.__path__):
        module = importlib.import_module(f"{versions.__name__}.{found.name}")
        read = getattr(module, "get_torchlib_ops", None)
        if read is not None:
            # Later versions reuse the function of an earlier version.
            module.get_torchlib_ops = kept.setdefault(read, functools.cache(read))
    return next(iter(kept.values()), None)
