"""The log of a run: one place for the curves of its stages and for its result, whatever logger is configured."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

# A setting as loggers can store it.
Setting = bool | float | str
# A point of curves: the update of the optimizer, and values by name.
CurvePoint = tuple[int, Mapping[str, float]]


@dataclass(frozen=True)
class LoggedRun:
    """A run as its log sees it.

    ``logger`` is the group ``logger`` of the configuration. ``settings`` is the flat configuration. ``sweep`` is the
    folder of the sweep that the run belongs to.
    """

    folder: Path
    output_dir: Path
    logger: Mapping[str, Any]
    settings: Mapping[str, Setting]
    sweep: Path | None = None
    overwrite: bool = False

    @property
    def name(self) -> str:
        """The name of the run: that of its folder."""
        return self.folder.name


@dataclass(frozen=True)
class Result:
    """The result of a run, for its log.

    ``row`` has the figures by the column names of sweep tables. ``numbers`` has the numbers of ``metrics.json`` by
    path, ``report`` the text of ``report.md``. ``pictures`` are PNG files by name, ``files`` further files to keep.
    """

    row: Mapping[str, float]
    numbers: Mapping[str, float] = field(default_factory=dict)
    report: str = ""
    pictures: Mapping[str, Path] = field(default_factory=dict)
    files: Sequence[Path] = ()


class JobLog(ABC):
    """The log of one run. Nothing is written before the first curve or result."""

    def __init__(self, run: LoggedRun) -> None:
        self.run = run

    @abstractmethod
    def open(self, stage: str) -> Logger:
        """Return the Lightning logger of a stage's curves."""

    @abstractmethod
    def last_step(self, stage: str) -> int:
        """Return the last update with a logged value of the stage; -1 without any."""

    def restart(self, stage: str) -> None:  # noqa: B027 - a log in files overrides it
        """Remove the stage's curves, if this log can: the training logs them again."""

    def replay(self, stage: str, points: Sequence[CurvePoint]) -> None:
        """Log the curves of a finished stage, unless the log has them already.

        A part of them may be there, if this run was killed in the stage and another run finished it.
        """
        if not points or self.last_step(stage) >= max(step for step, _ in points):
            return
        self.restart(stage)
        logger = self.open(stage)
        for step, values in points:
            logger.log_metrics(dict(values), step=step)
        logger.finalize("success")

    def has_summary(self) -> bool:
        """Return whether the log has a summary of this run's result."""
        return False

    def discard_summary(self) -> None:  # noqa: B027 - a log in files overrides it
        """Let an earlier summary count as none, because the result it describes is replaced."""

    @abstractmethod
    def write_summary(self, result: Result) -> None:
        """Log the result: its numbers, report and pictures, where this kind of log has a place for them."""

    def write_row(self, result: Result) -> None:  # noqa: B027 - a log with a table of runs overrides it
        """Write the run's row in the table of all runs, if this kind of log has one, and replace its earlier row."""

    def close(self, *, finished: bool) -> None:  # noqa: B027 - a log that stays open between stages overrides it
        """End the log. ``finished`` is False if an error ended the run."""
