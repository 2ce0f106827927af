"""Finished stages on disk, found again by the hash of what made them."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from compression.core.files import sync_files, write_atomic

log = logging.getLogger(__name__)

# Inside a stage's folder while it is made: what a killed run continues from. Gone once the stage is finished.
RESUME = "resume"


@dataclass(frozen=True)
class StageKey:
    """What a stage is made from: its code's version, its own inputs and its parent stages' ids.

    ``inputs`` are plain JSON values. A change of the stage's code that changes results raises ``version``.
    """

    stage: str
    version: int
    inputs: Mapping[str, Any]
    parents: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the first 16 hex digits of the SHA-256 of all of it."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Made:
    """What making a stage gives: plain JSON results, and the seconds that killed attempts had spent."""

    results: dict[str, Any]
    earlier_seconds: float = 0.0


@dataclass(frozen=True)
class StageRecord:
    """A finished stage: its files, what it found, how long it took, whether it was there before."""

    key: StageKey
    path: Path
    results: Mapping[str, Any]
    seconds: float
    reused: bool
    made_with: Mapping[str, Any]
    # Known by its key alone, as nothing was to be made: no files, no results.
    planned: bool = False

    @property
    def id(self) -> str:
        """The key's id."""
        return self.key.id


class Store:
    """A folder of finished stages.

    A stage is made in ``<stage>-<id>.partial`` under a lock and published by one rename, so it is there whole
    or not at all; a second process that wants the same stage waits for the first. With ``overwrite``, what
    this ``invocation`` has not made itself is made anew.
    ``made_with`` (commit, versions, machine) is kept with each stage.
    """

    def __init__(
        self,
        root: Path,
        *,
        invocation: str,
        overwrite: bool = False,
        made_with: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = root
        self.invocation = invocation
        self.overwrite = overwrite
        self.made_with = dict(made_with or {})

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the stage of ``key``; if it is not there, ``make`` it in the folder given to it."""
        final = self.root / f"{key.stage}-{key.id}"
        self.root.mkdir(parents=True, exist_ok=True)
        with self._locked(key):
            # What a kill during an earlier overwrite left.
            shutil.rmtree(_replaced(final), ignore_errors=True)
            found = self._find(key, final)
            if found is not None:
                return found
            partial = self._begin(final)
            started = time.perf_counter()
            made = make(partial)
            seconds = made.earlier_seconds + time.perf_counter() - started
            self._publish(key, partial, final, made.results, seconds)
            return StageRecord(key, final, made.results, seconds, reused=False, made_with=self.made_with)

    def find(self, key: StageKey) -> StageRecord | None:
        """Return the stage of ``key`` if it is finished, and need not be made anew."""
        return self._find(key, self.root / f"{key.stage}-{key.id}")

    @contextmanager
    def _locked(self, key: StageKey) -> Iterator[None]:
        folder = self.root / ".locks"
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f"{key.stage}-{key.id}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("%s  another process is making this stage; waiting for it", key.stage)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _find(self, key: StageKey, final: Path) -> StageRecord | None:
        try:
            record = json.loads((final / "stage.json").read_text())
        except FileNotFoundError:
            return None
        if self.overwrite and record["invocation"] != self.invocation:
            return None
        # A kill between publishing and cleaning leaves it behind.
        shutil.rmtree(final / RESUME, ignore_errors=True)
        return StageRecord(
            key,
            final,
            record["results"],
            record["seconds"],
            reused=True,
            made_with=record["made_with"],
        )

    def _begin(self, final: Path) -> Path:
        partial = final.with_name(final.name + ".partial")
        owner = partial / "invocation"
        ours = owner.exists() and owner.read_text() == self.invocation
        if self.overwrite and partial.exists() and not ours:
            shutil.rmtree(partial)
        (partial / RESUME).mkdir(parents=True, exist_ok=True)
        write_atomic(owner, self.invocation.encode())
        return partial

    def _publish(self, key: StageKey, partial: Path, final: Path, results: dict[str, Any], seconds: float) -> None:
        record = {
            "key": asdict(key),
            "invocation": self.invocation,
            "made_with": self.made_with,
            "results": results,
            "seconds": seconds,
        }
        write_atomic(partial / "stage.json", json.dumps(record, indent=1).encode())
        (partial / "invocation").unlink()
        sync_files(partial)
        if final.exists():
            # Only with overwrite. Two renames: a kill between them costs the old stage, never a mixture.
            old = _replaced(final)
            final.replace(old)
            partial.replace(final)
            shutil.rmtree(old)
        else:
            partial.replace(final)
        shutil.rmtree(final / RESUME, ignore_errors=True)


def _replaced(final: Path) -> Path:
    return final.with_name(f"{final.name}.old")


class PlanStore(Store):
    """A store seen without making anything: what it lacks is planned."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.root, invocation=store.invocation, overwrite=store.overwrite, made_with=store.made_with)

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the stage of ``key``, planned if it is not there."""
        del make
        path = self.root / f"{key.stage}-{key.id}"
        return self.find(key) or StageRecord(key, path, {}, 0.0, reused=False, made_with={}, planned=True)
