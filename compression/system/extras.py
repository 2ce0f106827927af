"""Packages that come with an extra, and the one line about a missing one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from compression.core.errors import InputError

# The extra that brings a package, by the name it is imported under, which is often not the name it is installed under.
EXTRAS = {
    "filelock": "train",
    "hydra": "train",
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "joblib": "joblib",
    "lightning": "train",
    "matplotlib": "train",
    "omegaconf": "train",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "openvino": "openvino",
    "optuna": "search",
    "psutil": "train",
    "rich": "train",
    "scipy": "train",
    "sklearn": "train",
    "submitit": "slurm",
    "tensorboard": "train",
    "timm": "timm",
    "torch_pruning": "train",
    "torchmetrics": "train",
    "wandb": "wandb",
    "yaml": "train",
}


def describe_missing(module: str) -> str:
    """Return the line that says that the package imported as ``module`` is missing, and what installs it."""
    return f'{module.rpartition(".")[2]} is not installed: pip install "{_own_name()}[{EXTRAS[module]}]"'


def _own_name() -> str:
    # pip keeps the compression that is installed, editable or not, and adds what the extra brings. Run from a checkout
    # without being installed, the name would be looked up in an index, where it may be a stranger's.
    try:
        distribution("compression")
    except PackageNotFoundError:
        return "."
    return "compression"


def explain_import(error: BaseException) -> str | None:
    """Return the line about an extra that ``error`` shows to be missing; None for a defect.

    A module that no extra brings is a defect, and so is one that is missing inside an installed package.
    """
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        return describe_missing(error.name)
    return None


@contextmanager
def missing_extra_in_one_line() -> Iterator[None]:
    """End the process with ``error: ...`` where an import needs an extra that is missing; let a defect through."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = explain_import(error)
        if message is None:
            raise
        sys.exit(f"error: {message}")


def require_packages(*modules: str) -> None:
    """Raise InputError for the first of ``modules``, packages of ``EXTRAS``, that is not installed."""
    for module in modules:
        # Looked for, not imported: that takes half a second, and this is asked before anything else is done.
        spec = find_spec(module)
        # Without a file it is a folder of that name where the command is given, such as `onnx/`.
        if spec is None or spec.origin is None:
            raise InputError(describe_missing(module))
