"""Steps that several commands take: they find modules, load a file, and print."""

import sys
from pathlib import Path
from typing import Any


def load(file: Path, allow_import: list[str] | None, max_bytes: int) -> Any:
    """Return the artifact in ``file``. ``allow_import`` and ``max_bytes`` are the options of these names."""
    from compression.artifact import load_artifact

    return load_artifact(file, allow=make_importable(allow_import), max_bytes=max_bytes)


def make_importable(packages: list[str] | None) -> list[str]:
    """Return ``packages``, or an empty list. Packages of the current folder can then be imported."""
    if packages:
        find_modules_here()
    return packages or []


def find_modules_here() -> None:
    """Let modules of the current folder be imported."""
    # A console script does not import from the current folder, as `python -m` does.
    if "" not in sys.path:
        sys.path.insert(0, "")


def count_cores() -> int:
    """Return the number of threads that PyTorch uses: one for each core."""
    import torch

    return torch.get_num_threads()


def print_wide(content: Any) -> None:
    """Print rich ``content`` as wide as the terminal, and 120 characters wide elsewhere."""
    from rich.console import Console

    # A file or a pipe has no width. Its content must not depend on the width of a terminal.
    Console(width=None if sys.stdout.isatty() else 120, soft_wrap=not sys.stdout.isatty()).print(content)
