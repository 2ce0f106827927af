"""Who is making or reading a stage: locks that the system lets go when their process ends, however it ends."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCKS = ".locks"
_USE = ".use"


class StageLocks:
    """The locks of one store.

    A stage has one lock, held while it is made, found or removed. Besides, everyone who reads it holds a lock file of
    its own (``<stage>-<id>.<random>.use``), taken under the stage's lock: so who has that one, and can take all
    of the others, knows that nobody uses the stage, and nobody begins to.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / LOCKS

    @contextmanager
    def taken(self, name: str, *, when_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of stage ``name``, after waiting for it if need be."""
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
        """Hold the lock of stage ``name`` and give True; give False, at once, if anyone makes or reads it."""
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

    def use(self, name: str) -> FileLock:
        """Return a held lock that keeps stage ``name`` from being removed; to be called under the stage's lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{name}.{uuid.uuid4().hex}{_USE}", thread_local=False)
        lock.acquire(timeout=0)
        return lock

    @staticmethod
    def stop_using(lock: FileLock) -> None:
        """Let go what ``use`` gave."""
        # The name goes first: without it nobody can take the lock in between.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()

    def _is_read(self, name: str) -> bool:
        for file in self.folder.glob(f"{name}.*{_USE}"):
            lock = FileLock(file)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return True
            # Of a process that was killed.
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
            lock.release()
        return False

    def _lock(self, name: str) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{name}.lock")
