"""Locks for stages that are made or read. The system releases them when their process ends, however it ends."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from compression.system.files import is_refused_write

LOCKS = ".locks"
_USE = ".use"


class StageLocks:
    """The locks of one store.

    Each stage has one lock, held while the stage is made, found or removed. Each reader also holds a separate lock file
    (``<stage>-<id>.<random>.use``), acquired under the stage's lock. A process that holds the stage's lock and can
    acquire every reader's lock therefore knows that nobody uses the stage, and that nobody can start to.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / LOCKS

    @contextmanager
    def taken(self, name: str, *, when_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of stage ``name``. If another process has it, call ``when_waiting`` and wait."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            when_waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def taken_if_idle(self, name: str) -> Iterator[bool]:
        """Hold the lock of stage ``name`` and yield True. Yield False without waiting if a process uses the stage."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield not self._is_read(name)
        finally:
            lock.release()

    def is_in_use(self, name: str) -> bool | None:
        """Return whether a process makes or reads stage ``name``; None if locks cannot be written, so it is unknown."""
        try:
            with self.taken_if_idle(name) as idle:
                return not idle
        except OSError as error:
            if not is_refused_write(error):
                raise
            return None

    def use(self, name: str) -> FileLock:
        """Return an acquired lock that keeps stage ``name`` from being removed. Call it under the stage's lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{name}.{uuid.uuid4().hex}{_USE}", thread_local=False)
        lock.acquire(timeout=0)
        return lock

    @staticmethod
    def stop_using(lock: FileLock) -> None:
        """Release a lock from ``use`` and delete its file."""
        # Delete the file first, so that nobody can acquire the lock between the two steps.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()

    def _is_read(self, name: str) -> bool:
        for file in self.folder.glob(f"{name}.*{_USE}"):
            lock = FileLock(file)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return True
            # The process that held this lock was killed.
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
            lock.release()
        return False

    def _lock(self, name: str) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{name}.lock")
