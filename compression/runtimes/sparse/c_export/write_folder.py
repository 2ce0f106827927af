"""Writing a network as a folder of C files."""

import shutil
import tempfile
from pathlib import Path
from typing import Literal

from torch import nn

from compression.core.errors import InputError
from compression.core.preparation import Preparation
from compression.core.tracing import trace
from compression.runtimes.sparse.c_export.check_text import TestImages, write_readme, write_test
from compression.runtimes.sparse.c_export.kernel_text import flatten_kernels
from compression.runtimes.sparse.c_export.model_text import (
    CModel,
    check_class_names,
    write_header,
    write_source,
    write_tables,
)
from compression.runtimes.sparse.c_export.table_members import make_members
from compression.runtimes.sparse.encoding.encode import encode
from compression.runtimes.sparse.handlers.find_handler import check_modules
from compression.runtimes.sparse.lowering import lower_graph

Optimize = Literal["size", "speed"]
# Floats in a vector. ``auto`` is what SSE and NEON have, which compilers use without flags.
VECTORS = {"auto": 4, "none": 1, "4": 4, "8": 8, "16": 16}


def make_c_model(
    model: nn.Module,
    *,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    preparation: Preparation | None = None,
    vector: str = "auto",
    optimize: Optimize = "speed",
) -> CModel:
    """Return the tables and facts of ``model`` for images of ``shape``, channels, height and width.

    ``preparation`` says how an image file becomes such an image; model.h repeats it.

    Raises InputError for a network that the sparse engine cannot run and for a class name that C cannot hold.
    """
    check_class_names(class_names)
    graph = trace(model).cpu()
    check_modules(graph)
    width = VECTORS[vector]
    program = lower_graph(graph, shape=shape)
    # Small tables hold only the weights that are not zero.
    encoded = encode(program, vector=width, lanes=1, dense_rows=optimize == "speed")
    if encoded.classes != len(class_names):
        raise InputError(f"the network has {encoded.classes} logits for {len(class_names)} class names")
    tables = make_members(encoded, small=optimize == "size")
    preparation = preparation or Preparation(channels=shape[0])
    return CModel(tables, encoded.arena_bytes, shape, class_names, mean, std, width, preparation)


def check_folder(folder: Path) -> None:
    """Raise InputError if ``folder`` exists and is not an empty folder."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is not a folder"
        raise InputError(f"--output {folder} {what}; allowed: a new or empty folder")


def write_folder(folder: Path, model: CModel, images: TestImages) -> int:
    """Write all files to ``folder``, complete or not at all, and return their bytes. Raises InputError, OSError."""
    check_folder(folder)
    files = {
        "model.h": write_header(model),
        "model.c": write_source(model),
        "model_kernels.h": flatten_kernels(vector=model.vector, longest_row=model.tables.longest_row),
        "model_tables.h": write_tables(model),
        "test_model.c": write_test(images),
        "README.md": write_readme(model, images),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same disk, so that the folder appears by one rename.
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        for name, text in files.items():
            (temporary / name).write_text(text, encoding="ascii")
        temporary.chmod(0o755)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return sum(map(len, files.values()))
