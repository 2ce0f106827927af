"""The log of a run, by the logger that is configured."""

from dataclasses import asdict
from pathlib import Path

from compression.config.schema import Config
from compression.config.sweep_environment import SWEEP_RECORD
from compression.reporting.hparams import make_hparams
from compression.run.job_log.folder_logs import CsvLog, TensorBoardLog
from compression.run.job_log.job_log import JobLog, LoggedRun
from compression.run.job_log.mlflow_log import MlflowLog
from compression.run.job_log.other_log import OtherLog
from compression.run.job_log.wandb_log import WandbLog

# The log by the class of Lightning's logger.
LOGS: dict[str, type[JobLog]] = {
    "lightning.pytorch.loggers.CSVLogger": CsvLog,
    "lightning.pytorch.loggers.MLFlowLogger": MlflowLog,
    "lightning.pytorch.loggers.TensorBoardLogger": TensorBoardLog,
    "lightning.pytorch.loggers.WandbLogger": WandbLog,
}


def make_log(config: Config, run_dir: Path) -> JobLog:
    """Return the log of the run in ``run_dir``. Nothing is written before it is used."""
    return LOGS.get(str(config.logger.get("_target_")), OtherLog)(make_logged_run(config, run_dir))


def make_logged_run(config: Config, run_dir: Path) -> LoggedRun:
    """Return the run as its log sees it. ``sparsity`` is the requested one, or else the strategy's own."""
    return LoggedRun(
        folder=run_dir,
        output_dir=Path(config.output_dir),
        logger=config.logger,
        settings=make_hparams(asdict(config)) | {"sparsity": config.target_sparsity},
        # A job is a separate process. Only the place of its folder connects it with its sweep.
        sweep=run_dir.parent if (run_dir.parent / SWEEP_RECORD).is_file() else None,
        overwrite=config.overwrite,
    )
