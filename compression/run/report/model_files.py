"""The files of the newest model, left in a run's folder when the run stops before it measures them."""

import shutil
from pathlib import Path

from compression.core.file_names import ARTIFACT, DENSE_WEIGHTS, ONNX, WEIGHTS
from compression.stage_store.store import StageRecord


def copy_file(source: Path, target: Path) -> None:
    """Copy a file so that ``target`` is the old or the new one at every moment.

    A copy and no link, so that a user's edit cannot damage the store.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def leave_models(folder: Path, *, dense: StageRecord, exported: StageRecord) -> list[str]:
    """Copy the exported files and the weights of the dense model into ``folder``; return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        ARTIFACT: exported.path / ARTIFACT,
        ONNX: exported.path / ONNX,
        DENSE_WEIGHTS: dense.path / WEIGHTS,
    }
    for name, source in wanted.items():
        copy_file(source, folder / name)
    return list(wanted)
