"""The files of the newest model, left in a run's folder when the run stops before it measures them."""

import shutil
from pathlib import Path

from compression.core.file_names import ARTIFACT, BEFORE_FINETUNE, DENSE_WEIGHTS, ONNX, WEIGHTS
from compression.run.stage import Finished
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


def leave_models(folder: Path, made: Finished, *, exported: StageRecord) -> list[str]:
    """Copy the exported files and those of other models of the run into ``folder``; return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {ARTIFACT: exported.path / ARTIFACT, ONNX: exported.path / ONNX, **other_models(made)}
    for name, source in wanted.items():
        copy_file(source, folder / name)
    return list(wanted)


def other_models(made: Finished) -> dict[str, Path]:
    """Return the sources of the files beside the newest model: the dense one, and the pruned one before fine-tuning."""
    files = {DENSE_WEIGHTS: made["dense"].path / WEIGHTS}
    if "finetune" in made:
        files[BEFORE_FINETUNE] = made["pruned_export"].path / ARTIFACT
    return files
