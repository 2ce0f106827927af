"""The configured logger: one per stage, in the run's folder."""

import csv
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from compression.reporting.hparams import ROW
from compression.run.context import Context


def make_logger(context: Context, version: str) -> Logger:
    """Return the configured logger, writing into the run's folder under the stage's name."""
    settings = dict(context.config.logger)
    # TensorBoard and CSV keep one folder per version. A logger without folders gets the stage as part of its name.
    place = {"version": version} if "name" in settings else {"name": f"{context.run_dir.name}-{version}"}
    logger: Logger = instantiate(settings, save_dir=str(context.run_dir), **place)
    return logger


def close_logger(logger: Logger) -> None:
    """Write buffered values. W&B allows one run per process, so its run ends here, before the next stage starts one."""
    logger.finalize("success")
    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


def has_step(logger: Logger, step: int) -> bool:
    """Return whether the logger's folder holds a value of ``step`` or later. Without a folder it is False."""
    return logger.log_dir is not None and any(one >= step for one in _steps(Path(logger.log_dir)))


def _steps(folder: Path) -> Iterator[int]:
    # Imported late, so that tensorboard does not delay the first epoch.
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for file in folder.glob("events.out.tfevents.*"):
        yield from (event.step for event in EventFileLoader(str(file)).Load())
    for file in folder.glob("metrics.csv"):
        with file.open(newline="", errors="replace") as stream:
            # A kill may have torn the last line.
            steps = [row.get("step") or "" for row in csv.DictReader(stream)]
        yield from (int(one) for one in steps if one.isdecimal())


def log_row(context: Context, settings: Mapping[str, bool | float | str], row: Mapping[str, float]) -> None:
    """Write the run's row in TensorBoard's HParams table and remove its earlier row. Other loggers have no such table.

    ``log_hyperparams`` would also write a list of columns, and TensorBoard would use the list of the first run for all
    runs. Without any list, TensorBoard collects the columns of all runs.
    """
    logger = make_logger(context, ROW)
    if not isinstance(logger, TensorBoardLogger):
        return
    # Imported late, so that tensorboard does not delay the first epoch.
    from torch.utils.tensorboard.summary import hparams

    shutil.rmtree(Path(logger.log_dir), ignore_errors=True)
    _, begun, ended = hparams(dict(settings), dict(row))
    for summary in (begun, ended):
        logger.experiment.file_writer.add_summary(summary)
    logger.log_metrics(dict(row), step=0)
    close_logger(logger)
