"""The store itself: finished stages on disk, found by the hash of their inputs."""

import hashlib
import json
import logging
import os
import shlex
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from compression.core.canonical_json import dump_sorted
from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.stage_store.entries import OLD, PARTIAL
from compression.stage_store.locks import StageLocks
from compression.stage_store.manifest import RECORD, describe_files, find_damage, read_record, seal
from compression.stage_store.references import refer, refer_only
from compression.stage_store.removing import make_room
from compression.system.files import sync_files, write_atomic

log = logging.getLogger(__name__)

# Folder for checkpoints inside a stage that is being made: a killed run continues from them. Removed at the end.
RESUME = "resume"
# File inside a stage that is being made: the invocation that makes it.
_OWNER = "invocation"
_WAITING = "%s  another process is making this stage; waiting for it"


def make_room_advice(root: Path) -> str:
    """Return the command that makes room in the store ``root``."""
    return shlex.join(["python", "-m", "compression", "store", "gc", "--output-dir", str(root.parent)])


@dataclass(frozen=True)
class StageKey:
    """Everything that determines a stage's result: the version of its code, its inputs and its parents' ids.

    ``inputs`` are plain JSON values. Raise ``version`` when a change of the stage's code changes its results.
    """

    stage: str
    version: int
    inputs: Mapping[str, Any]
    parents: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the stage's folder."""
        return f"{self.stage}-{self.id}"

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of all fields."""
        canonical = dump_sorted(asdict(self), separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Made:
    """Output of making a stage: plain JSON results, and the seconds that earlier, killed attempts took."""

    results: dict[str, Any]
    earlier_seconds: float = 0.0


@dataclass(frozen=True)
class StageRecord:
    """A finished stage: its key, folder and results, the seconds that making it took, and whether it was reused."""

    key: StageKey
    path: Path
    results: Mapping[str, Any]
    seconds: float
    reused: bool
    made_with: Mapping[str, Any]
    # Only the key is known, because the run is planned and not executed: no files, no results.
    planned: bool = False

    @property
    def id(self) -> str:
        """The id of the stage's key."""
        return self.key.id


class Store:
    """A folder of finished stages.

    A stage is made in ``<stage>-<id>.partial`` under a lock and published by one rename, so it is there completely or
    not at all. A second process that needs the same stage waits for the first. With ``overwrite``, stages that other
    invocations made are made again, once per ``invocation``. ``made_with`` (commit, versions, machine) is stored with
    each stage. With ``max_bytes``, idle stages are removed, least recently used first. Requested stages are listed in
    ``run_dir``, so that cleaning knows which run needs them.

    Obtained stages are locked against removal until ``release``.
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
        self._warned = False

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the stage of ``key``. If the store lacks it, ``make`` writes it into the folder it gets.

        That folder holds the checkpoints of a killed attempt, if there was one. May wait for another process that makes
        the same stage.
        """
        final = self.root / key.name
        self.root.mkdir(parents=True, exist_ok=True)
        if self.run_dir is not None:
            refer(self.run_dir, key.name)
        with self._locks.taken(key.name, when_waiting=lambda: log.info(_WAITING, key.stage)):
            # A kill during an earlier overwrite leaves the old folder behind.
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
        """Return the stage of ``key`` if it is finished, intact and reusable, else None. The store is not changed."""
        return self._read(key, self.root / key.name)

    def release(self, *, finished: bool = False) -> None:
        """Unlock the obtained stages, so that they may be removed.

        Pass ``finished`` if the run is complete: its list of stages then drops those of earlier runs in the folder.
        """
        if finished and self.run_dir is not None:
            refer_only(self.run_dir, self._held)
        while self._held:
            self._locks.stop_using(self._held.popitem()[1])

    def _make(self, key: StageKey, final: Path, make: Callable[[Path], Made]) -> StageRecord:
        self._make_room(expect=key.stage)
        partial = self._begin(final)
        started = time.perf_counter()
        try:
            made = make(partial)
        except InputError:
            # Wrong input leaves nothing behind, unless there is a checkpoint to continue from.
            if not any((partial / RESUME).iterdir()):
                shutil.rmtree(partial)
            raise
        seconds = made.earlier_seconds + time.perf_counter() - started
        self._publish(key, partial, final, made.results, seconds)
        return StageRecord(key, final, made.results, seconds, reused=False, made_with=self.made_with)

    def _find(self, key: StageKey, final: Path) -> StageRecord | None:
        found = self._read(key, final)
        if found is not None:
            # A kill between publishing and this removal leaves the checkpoints behind.
            shutil.rmtree(final / RESUME, ignore_errors=True)
            # The modification time of the folder records the last use.
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
            log.warning("%s  %s is damaged (%s): must be made again", key.stage, final, "; ".join(damage))
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
            # The old stage is overwritten or damaged. A kill between the two renames loses it, but never leaves a
            # mixture of old and new files.
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
        if total > self.max_bytes and not self._warned:
            self._warned = True
            log.warning(
                "store  holds %s, more than store_max_bytes=%s: the rest is in use or interrupted",
                format_size(total),
                format_size(self.max_bytes),
            )


def _replaced(final: Path) -> Path:
    return final.with_name(f"{final.name}{OLD}")
