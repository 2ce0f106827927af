"""Finished stages on disk, found again by the hash of what made them."""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from compression.core.sizes import format_size
from compression.stage_store.entries import OLD, PARTIAL
from compression.stage_store.locks import StageLocks
from compression.stage_store.manifest import RECORD, describe_files, find_damage, read_record, seal
from compression.stage_store.references import refer, refer_only
from compression.stage_store.removing import make_room
from compression.system.files import sync_files, write_atomic

log = logging.getLogger(__name__)

# Inside a stage's folder while it is made: what a killed run continues from. Gone once the stage is finished.
RESUME = "resume"
# Says, in a stage's folder while it is made, whose it is.
_OWNER = "invocation"
_WAITING = "%s  another process is making this stage; waiting for it"


def make_room_advice(root: Path) -> str:
    """Return the command that makes room in the store ``root``."""
    return f"python -m compression store gc --output-dir {root.parent}"


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
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.stage}-{self.id}"

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
    ``made_with`` (commit, versions, machine) is kept with each stage. With ``max_bytes``, stages that nobody uses give
    way, least recently used first. What is asked for is noted in ``run_dir``, so that cleaning knows whose it is.

    What was obtained is held, against removal by whom it may be, until ``release``.
    """

    def __init__(
        self,
        root: Path,
        *,
        invocation: str,
        overwrite: bool = False,
        made_with: Mapping[str, Any] | None = None,
        max_bytes: int | None = None,
        run_dir: Path | None = None,
    ) -> None:
        self.root = root
        self.invocation = invocation
        self.overwrite = overwrite
        self.made_with = dict(made_with or {})
        self.max_bytes = max_bytes
        self.run_dir = run_dir
        self._locks = StageLocks(root)
        self._held: dict[str, FileLock] = {}
        self._told = False

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the stage of ``key``; if it is not there, ``make`` it in the folder given to it."""
        final = self.root / key.name
        self.root.mkdir(parents=True, exist_ok=True)
        if self.run_dir is not None:
            refer(self.run_dir, key.name)
        with self._locks.taken(key.name, when_waiting=lambda: log.info(_WAITING, key.stage)):
            # What a kill during an earlier overwrite left.
            shutil.rmtree(_replaced(final), ignore_errors=True)
            record = self._find(key, final)
            if record is None:
                record = self._make(key, final, make)
            if key.name not in self._held:
                self._held[key.name] = self._locks.use(key.name)
        if not record.reused:
            self._make_room(expect=None)
        return record

    def find(self, key: StageKey) -> StageRecord | None:
        """Return the stage of ``key`` if it is finished, whole, and need not be made anew; nothing is changed."""
        return self._read(key, self.root / key.name)

    def release(self, *, finished: bool = False) -> None:
        """Let go what was obtained: it may be removed from now on; ``finished`` if the run needs nothing else."""
        if finished and self.run_dir is not None:
            refer_only(self.run_dir, self._held)
        while self._held:
            self._locks.stop_using(self._held.popitem()[1])

    def _make(self, key: StageKey, final: Path, make: Callable[[Path], Made]) -> StageRecord:
        self._make_room(expect=key.stage)
        partial = self._begin(final)
        started = time.perf_counter()
        made = make(partial)
        seconds = made.earlier_seconds + time.perf_counter() - started
        self._publish(key, partial, final, made.results, seconds)
        return StageRecord(key, final, made.results, seconds, reused=False, made_with=self.made_with)

    def _find(self, key: StageKey, final: Path) -> StageRecord | None:
        found = self._read(key, final)
        if found is not None:
            # A kill between publishing and cleaning leaves it behind.
            shutil.rmtree(final / RESUME, ignore_errors=True)
            # The time of the folder is that of its last use.
            os.utime(final)
        return found

    def _read(self, key: StageKey, final: Path) -> StageRecord | None:
        try:
            record = read_record(final)
            damage = find_damage(final, record, contents=False)
        except FileNotFoundError:
            return None
        except ValueError as error:
            damage = [str(error)]
        if damage:
            log.warning("%s  %s is damaged (%s): made anew", key.stage, final, "; ".join(damage))
            return None
        if self.overwrite and record["invocation"] != self.invocation:
            return None
        return StageRecord(
            key,
            final,
            record["results"],
            record["seconds"],
            reused=True,
            made_with=record.get("made_with", {}),
        )

    def _begin(self, final: Path) -> Path:
        partial = final.with_name(f"{final.name}{PARTIAL}")
        owner = partial / _OWNER
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
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_with": self.made_with,
            "results": results,
            "seconds": seconds,
            "files": describe_files(partial, leave_out=frozenset({RESUME, RECORD, _OWNER})),
        }
        write_atomic(partial / RECORD, json.dumps(seal(record), indent=1).encode())
        (partial / _OWNER).unlink()
        sync_files(partial)
        if final.exists():
            # With overwrite, or in place of a damaged one. Two renames: a kill between them costs the old stage, never
            # a mixture.
            old = _replaced(final)
            final.replace(old)
            partial.replace(final)
            shutil.rmtree(old)
        else:
            partial.replace(final)
        shutil.rmtree(final / RESUME, ignore_errors=True)

    def _make_room(self, *, expect: str | None) -> None:
        if self.max_bytes is None:
            return
        gone, total = make_room(
            self.root,
            self._locks,
            max_bytes=self.max_bytes,
            expect=expect,
            when_waiting=lambda: log.info("store  another process is making room; waiting for it"),
        )
        if gone:
            log.info(
                "store  removed %s to keep store_max_bytes: %s",
                format_size(sum(entry.num_bytes for entry in gone)),
                ", ".join(entry.name for entry in gone),
            )
        if total > self.max_bytes and not self._told:
            self._told = True
            log.warning(
                "store  holds %s, more than store_max_bytes=%s: all of it is in use",
                format_size(total),
                format_size(self.max_bytes),
            )


def _replaced(final: Path) -> Path:
    return final.with_name(f"{final.name}{OLD}")
