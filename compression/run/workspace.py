"""The environment of a running run: its folder's lock, its log, the error for a full disk, silenced libraries."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from compression.core.file_names import LOCK
from compression.run.context import Context
from compression.run.ranks import is_helper
from compression.stage_store.store import make_room_advice
from compression.system.disk import disk_full_in_one_line
from compression.system.library_messages import keep_in_log_file

log = logging.getLogger(__name__)


@contextmanager
def workspace(context: Context) -> Iterator[None]:
    """Lock the run's folder and the obtained stages until the end, end the log, report a full disk in one line."""
    root = context.store.root
    finished = False
    with disk_full_in_one_line([root, context.run_dir], advice=make_room_advice(root)):
        try:
            with _locked(context.run_dir):
                try:
                    yield
                    finished = True
                finally:
                    context.log.close(finished=finished)
        finally:
            context.store.release(finished=finished)


@contextmanager
def _locked(run_dir: Path) -> Iterator[None]:
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is working in %s; waiting for it", run_dir)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def quiet_libraries() -> None:
    """Keep messages of libraries that no user of this framework can act on in the log file, or silence them."""
    if is_helper():
        # The run itself prints everything.
        logging.disable(logging.WARNING)
    keep_in_log_file()
    # matplotlib lists the fonts it finds.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    # Lightning itself uses torch in a deprecated way.
    warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\).*")
    # Our loaders hold tensors that are already on the device; workers would copy them back and forth.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    # A resumed stage continues in the folder of its last checkpoint.
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
