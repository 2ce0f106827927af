"""Logs in files: TensorBoard and CSV, each with one folder per stage."""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger

from compression.reporting.hparams import ROW
from compression.run.job_log.job_log import JobLog, Result
from compression.system.files import write_atomic

# The folder of the result's numbers, next to those of the stages.
SUMMARY = "summary"
# The mark of a folder that no kill left incomplete.
_FINISHED = "finished"
# The file with the row of a run in a CSV log: its settings and figures.
ROW_FILE = "result.csv"
# Settings and figures share names such as `sparsity`, so columns of settings begin with this.
SETTING = "config."


class FolderLog(JobLog):
    """The log of a Lightning logger with ``save_dir``, ``name`` and ``version``."""

    def place(self, stage: str) -> Path:
        """Return the folder of a stage."""
        return self.run.folder / str(self.run.logger["name"]) / stage

    def open(self, stage: str) -> Logger:
        """Return the Lightning logger that writes into the stage's folder."""
        logger: Logger = instantiate(dict(self.run.logger), save_dir=str(self.run.folder), version=stage)
        return logger

    def last_step(self, stage: str) -> int:
        """Return the last step in the files of the stage; -1 without any."""
        return max(_read_steps(self.place(stage)), default=-1)

    def restart(self, stage: str) -> None:
        """Remove the stage's folder. Without this, points would appear twice."""
        shutil.rmtree(self.place(stage), ignore_errors=True)

    def has_summary(self) -> bool:
        """Return whether the folder of the result is complete."""
        return (self.place(SUMMARY) / _FINISHED).is_file()

    def discard_summary(self) -> None:
        """Mark the folder of the result as incomplete."""
        (self.place(SUMMARY) / _FINISHED).unlink(missing_ok=True)

    def write_summary(self, result: Result) -> None:
        """Write the numbers of the result at step 0."""
        self.restart(SUMMARY)
        logger = self.open(SUMMARY)
        logger.log_metrics(dict(result.numbers), step=0)
        self.add_more(logger, result)
        logger.finalize("success")
        (self.place(SUMMARY) / _FINISHED).touch()

    def add_more(self, logger: Logger, result: Result) -> None:
        """Add what this kind of log has a place for, besides numbers."""


class TensorBoardLog(FolderLog):
    """TensorBoard: curves, report and pictures, and the run's row in the HParams table."""

    def add_more(self, logger: Logger, result: Result) -> None:
        """Add the report as text, and the pictures as images."""
        # Imported late, so that tensorboard does not delay the first epoch.
        from compression.reporting.event_files import make_images

        logger.experiment.add_text("result", result.report)  # type: ignore[attr-defined]
        logger.experiment.file_writer.add_summary(make_images(result.pictures))  # type: ignore[attr-defined]

    def write_row(self, result: Result) -> None:
        """Write the run's row in the HParams table.

        ``log_hyperparams`` would also write a list of columns, and TensorBoard would use the list of the first run for
        all runs. Without any list, TensorBoard collects the columns of all runs.
        """
        # Imported late, so that tensorboard does not delay the first epoch.
        from torch.utils.tensorboard.summary import hparams

        self.restart(ROW)
        logger = self.open(ROW)
        _, begun, ended = hparams(dict(self.run.settings), dict(result.row))
        for summary in (begun, ended):
            logger.experiment.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        logger.log_metrics(dict(result.row), step=0)
        logger.finalize("success")


class CsvLog(FolderLog):
    """CSV files: curves, numbers of the result, and a file with the run's row."""

    def write_row(self, result: Result) -> None:
        """Write ``result.csv``: a header, and one line with the settings and the figures of the run."""
        row = {f"{SETTING}{key}": value for key, value in self.run.settings.items()} | dict(result.row)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
        write_atomic(self.place(ROW_FILE), stream.getvalue().encode())


def _read_steps(folder: Path) -> Iterator[int]:
    # Imported late, so that tensorboard does not delay the first epoch.
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for file in folder.glob("events.out.tfevents.*"):
        yield from (event.step for event in EventFileLoader(str(file)).Load())
    for file in folder.glob("metrics.csv"):
        with file.open(newline="", errors="replace") as stream:
            # A kill may have torn the last line.
            steps = [row.get("step") or "" for row in csv.DictReader(stream)]
        yield from (int(one) for one in steps if one.isdecimal())
