"""Packages that pip extras install, and one-line errors for a missing package."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from compression.core.errors import InputError

# The extra that installs a package, by the import name, which is often not the name on the package index.
EXTRAS = {
    "filelock": "train",
    "hydra": "train",
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "jinja2": "train",
    "joblib": "joblib",
    "lightning": "train",
    "matplotlib": "train",
    "mlflow": "mlflow",
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
    "vl_convert": "train",
    "wandb": "wandb",
    "yaml": "train",
    "ziglang": "sparse",
}


def describe_missing(module: str) -> str:
    """Return the error line that the package imported as ``module`` is missing, with the command that installs it.

    ``module`` is a key of ``EXTRAS``.
    """
    return f'{module.rpartition(".")[2]} is not installed: pip install "{_own_name()}[{EXTRAS[module]}]"'


def _own_name() -> str:
    # If this package is installed, editable or not, pip keeps it and adds the packages of the extra. In a checkout that
    # is not installed, pip would look up the name in an index, where it may belong to someone else.
    try:
        distribution("compression")
    except PackageNotFoundError:
        return "."
    return "compression"


def explain_import(error: BaseException) -> str | None:
    """Return the error line about a missing extra if ``error`` is due to one, else None.

    None means a defect: a module that no extra installs, or one that is missing inside an installed package.
    """
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        return describe_missing(error.name)
    return None


@contextmanager
def missing_extra_in_one_line() -> Iterator[None]:
    """End the process with ``error: ...`` if an import in the ``with`` block fails because an extra is missing.

    Any other error passes through.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = explain_import(error)
        if message is None:
            raise
        sys.exit(f"error: {message}")


def require_packages(*modules: str) -> None:
    """Raise ``InputError`` for the first of ``modules`` (keys of ``EXTRAS``) that is not installed."""
    for module in modules:
        # Search without importing: an import takes half a second, and this check runs before anything else.
        spec = find_spec(module)
        # A spec without a file is only a folder of that name in the working directory, such as `onnx/`.
        if spec is None or spec.origin is None:
            raise InputError(describe_missing(module))
