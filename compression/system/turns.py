"""Time sharing of CPU cores: runs that together need more cores than available train in turn, in time slices.

Threads that work together wait for each other by spinning. If two processes share the same cores, one process spins
while the thread it waits for does not run, and both are many times slower than in turn. A turn consists of file locks,
so it ends with its process, however the process ends.
"""

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

# Seconds: how long a process computes while others wait, how often a waiting process checks, and after how long it
# gives up waiting. The last one is needed because a process suspended by hand keeps its turn.
SLICE, LOOK, PATIENCE = 0.25, 0.005, 120.0


class Turns:
    """A place in the queue for ``needed`` of ``cores``.

    Call ``take`` before each piece of work and ``leave`` at the end. The lock files are in ``folder``.
    """

    def __init__(self, folder: Path, *, cores: Sequence[int], needed: int) -> None:
        assert 1 <= needed <= len(cores)
        self._needed = needed
        # Only the holder of this lock may wait for cores. So each process gets a turn, and gets all its cores at once.
        self._queue = FileLock(folder / "queue.lock")
        self._cores = [FileLock(folder / f"core-{core}.lock") for core in cores]
        self._held: list[FileLock] = []
        self._since = 0.0
        self._given_up = False

    def take(self) -> None:
        """Wait until this process holds its cores.

        If it has held them for ``SLICE`` seconds and another process waits, it releases them and queues again. After
        ``PATIENCE`` seconds without cores it logs a warning and continues without turns from then on.
        """
        if self._given_up:
            return
        if self._held:
            if time.monotonic() - self._since < SLICE:
                return
            if not self._is_wanted():
                self._since = time.monotonic()
                return
            self.leave()
        try:
            self._wait()
        except Timeout:
            self.leave()
            self._given_up = True
            log.warning("another run has held this machine's cores for %.0f s; continuing beside it", PATIENCE)
        self._since = time.monotonic()

    def leave(self) -> None:
        """Release the cores for other processes."""
        while self._held:
            self._held.pop().release()

    def _is_wanted(self) -> bool:
        try:
            with self._queue.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        with self._queue.acquire(timeout=PATIENCE, poll_interval=LOOK):
            while len(self._held) < self._needed:
                for core in self._cores:
                    if len(self._held) < self._needed and not core.is_locked:
                        self._try(core)
                if len(self._held) < self._needed:
                    if time.monotonic() > deadline:
                        raise Timeout(self._queue.lock_file)
                    time.sleep(LOOK)

    def _try(self, core: FileLock) -> None:
        try:
            core.acquire(timeout=0)
        except Timeout:
            return
        self._held.append(core)


def join_queue(*, threads: int) -> Turns | None:
    """Return a place in the queue that all runs of this user share on this machine, for ``threads`` cores.

    ``threads`` is capped at the cores that this process may use. Returns None if the system does not report these
    cores (no ``os.sched_getaffinity``), or if no private folder for the lock files can be created.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    folder = Path(tempfile.gettempdir()) / f"compression-turns-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return None
    except OSError:
        return None
    cores = sorted(os.sched_getaffinity(0))
    return Turns(folder, cores=cores, needed=min(threads, len(cores)))
