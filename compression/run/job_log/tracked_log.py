"""A log with one record per run in a tracking service, which a resumed run continues."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from compression.core.errors import InputError
from compression.core.json_record import convert_record
from compression.run.job_log.job_log import CurvePoint, JobLog, LoggedRun, Result
from compression.run.ranks import is_helper
from compression.system.files import write_atomic


class Identity(Struct):
    """The record of a run: its id in the service, the settings it has, and whether it has the run's summary."""

    id: str
    settings: dict[str, bool | int | float | str]
    finished: bool = False


class TrackedLog(JobLog):
    """The log of a service that numbers its records, such as W&B and MLflow.

    The id is kept in the run's folder, so that a killed or repeated run continues its record. A run with other settings
    in the same folder, or with ``overwrite=true``, gets another record.
    """

    # The folder of the record's id, in the run's folder.
    name: str

    def __init__(self, run: LoggedRun) -> None:
        super().__init__(run)
        self.identity = None if run.overwrite else _recall(self.identity_file, run)
        self._record: Any = None
        # Curves of stages that were found finished. A complete record needs them only if it is written again.
        self._pending: list[tuple[str, Sequence[CurvePoint]]] = []

    @property
    def identity_file(self) -> Path:
        """The file of the record's id."""
        return self.run.folder / self.name / "job.json"

    @abstractmethod
    def start(self, identity: Identity | None) -> tuple[str, Any]:
        """Continue the record ``identity``, or begin one; return its id and the service's object for it."""

    @abstractmethod
    def finish(self, record: Any, *, finished: bool) -> None:
        """End the record."""

    @property
    def record(self) -> Any:
        """The service's object for this run's record, begun or continued at the first access."""
        if self._record is None:
            assert not is_helper(), "the first process writes the log"
            known, self._record = self.start(self.identity)
            # Until the summary is written again, the record may be incomplete.
            self.identity = Identity(known, dict(self.run.settings), finished=False)
            self._remember()
            pending, self._pending = self._pending, []
            for stage, points in pending:
                super().replay(stage, points)
        return self._record

    def replay(self, stage: str, points: Sequence[CurvePoint]) -> None:
        """Log the curves of a finished stage, unless the record has them; wait with that if the record is complete."""
        if self._record is None and self.has_summary():
            self._pending.append((stage, points))
        else:
            super().replay(stage, points)

    def has_summary(self) -> bool:
        """Return whether the record has the run's summary."""
        return self.identity is not None and self.identity.finished

    def write_summary(self, result: Result) -> None:
        """Log figures and pictures of the result, and note that the record is complete."""
        self.add_result(self.record, result)
        assert self.identity is not None
        self.identity.finished = True
        self._remember()

    @abstractmethod
    def add_result(self, record: Any, result: Result) -> None:
        """Add the figures and pictures of the result to the record."""

    def close(self, *, finished: bool) -> None:
        """End the record, if it was begun or continued in this process."""
        if self._record is not None:
            record, self._record = self._record, None
            self.finish(record, finished=finished)

    def _remember(self) -> None:
        write_atomic(self.identity_file, msgspec.json.encode(self.identity))


def _recall(path: Path, run: LoggedRun) -> Identity | None:
    """Return the identity in ``path``; None if it is missing or damaged, or if its settings differ."""
    try:
        identity = convert_record(msgspec.json.decode(path.read_bytes()), Identity)
    except (OSError, msgspec.DecodeError, InputError):
        return None
    return identity if identity.settings == dict(run.settings) else None
