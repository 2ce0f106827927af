"""Turns on the cores of a machine: trainings that need more cores than there are run one after the other, in slices.

Threads that work together wait for each other by spinning. Where two processes share the same cores, one spins while
the thread it waits for is not running, and both are many times slower than in turn. A turn is held by file locks, so
that it ends with its process, however that ends.
"""

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

# Seconds: how long a process computes while others wait, how often a waiting one looks, and when it waits no more, for
# a process that was stopped by hand holds its turn.
SLICE, LOOK, PATIENCE = 0.25, 0.005, 120.0


class Turns:
    """A place in the queue for ``needed`` of ``cores``; ``take`` it before each piece of work, ``leave`` at the end."""

    def __init__(self, folder: Path, *, cores: Sequence[int], needed: int) -> None:
        assert 1 <= needed <= len(cores)
        self._needed = needed
        # Only the process that holds it may wait for cores, so that each gets its turn, and gets all of it.
        self._queue = FileLock(folder / "queue.lock")
        self._cores = [FileLock(folder / f"core-{core}.lock") for core in cores]
        self._held: list[FileLock] = []
        self._since = 0.0
        self._given_up = False

    def take(self) -> None:
        """Return once this process has its cores; a process that has had them for a slice lets the next one have them.

        Processes that get none for ``PATIENCE`` seconds go on without.
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
            log.warning("another run has held this machine's cores for %.0f s; going on beside it", PATIENCE)
        self._since = time.monotonic()

    def leave(self) -> None:
        """Let others have the cores."""
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
    """Return this process's place in the queue of this user's trainings on this machine, for ``threads`` threads.

    None where the system does not tell which cores there are, or gives no folder of the user's own.
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
