"""The folder of a single run: it is left out for a run that is refused."""

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from compression.config.explain import explain
from compression.core.file_names import LOCK
from compression.stage_store.references import STAGES_FILE
from compression.system.disk import is_disk_full

# What a run writes before its first result: Hydra's files, a lock, and the list of the stages it asked for.
_UNUSED = ("config", "train.log", LOCK, STAGES_FILE)
# Folders that this command makes for its run, the outermost first.
_new: list[Path] = []


def note_new_folders(run_dir: Path) -> None:
    """Remember which of ``run_dir`` and its parents are missing, before Hydra makes them."""
    _new[:] = [folder for folder in reversed([run_dir, *run_dir.parents]) if not folder.exists()]


@contextlib.contextmanager
def removed_if_refused(run_dir: Path) -> Iterator[None]:
    """Remove the folder of a run whose input is refused, if this command made it and it holds no result.

    A run that a full disk stopped can go on, so its folder stays.
    """
    try:
        yield
    except Exception as error:
        if explain(error) is not None and not is_disk_full(error) and run_dir in _new and _is_unused(run_dir):
            _close_logs(run_dir)
            shutil.rmtree(run_dir, ignore_errors=True)
            with contextlib.suppress(OSError):
                for folder in reversed(_new[:-1]):
                    folder.rmdir()
        raise


def _is_unused(run_dir: Path) -> bool:
    return run_dir.is_dir() and all(path.name in _UNUSED for path in run_dir.iterdir())


def _close_logs(run_dir: Path) -> None:
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, logging.FileHandler)]:
        if Path(handler.baseFilename).parent == run_dir:
            root.removeHandler(handler)
            handler.close()
