"""PyTorch's exporter reads its five hundred translations to ONNX from source at every export; here once a process."""

import functools
import importlib
import pkgutil
from collections.abc import Callable


def keep_translations() -> Callable[[], object] | None:
    """Let every export of this process use the translations that the first one reads; return what reads them.

    None where this version of onnxscript keeps them elsewhere: exports are then as slow as a user's.
    """
    import onnxscript._framework_apis as versions

    kept: dict[object, Callable[[], object]] = {}
    for found in pkgutil.iter_modules(versions.__path__):
        module = importlib.import_module(f"{versions.__name__}.{found.name}")
        read = getattr(module, "get_torchlib_ops", None)
        if read is not None:
            # Later versions hand on the function of an earlier one.
            module.get_torchlib_ops = kept.setdefault(read, functools.cache(read))
    return next(iter(kept.values()), None)
