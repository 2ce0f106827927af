"""The log in Weights & Biases: one run a job, in which each stage's curves have the stage's name in front."""

import os
import shutil
from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from compression.run.job_log.job_log import Result
from compression.run.job_log.tracked_log import Identity, TrackedLog
from compression.run.ranks import is_helper

_UPDATE = "update"


class WandbLog(TrackedLog):
    """One W&B run with the flat configuration, the curves of all stages, the figures of the result and its pictures.

    Jobs of a sweep have the sweep's name as their ``group``. An offline record is one folder,
    ``wandb/offline-run-*``. If the run is resumed, the record is written again from its beginning, because ``wandb
    sync`` cannot join two parts.
    """

    name = "wandb"

    def start(self, identity: Identity | None) -> tuple[str, Any]:
        """Begin or continue the W&B run."""
        settings = dict(self.run.logger)
        if settings.get("offline") or os.environ.get("WANDB_MODE") in ("offline", "dryrun"):
            # Offline also means that no error report is sent.
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
            if identity is not None:
                for earlier in (self.run.folder / self.name).glob(f"offline-run-*-{identity.id}"):
                    shutil.rmtree(earlier, ignore_errors=True)
        place = {"save_dir": str(self.run.folder), "name": self.run.name, "version": identity.id if identity else None}
        if self.run.sweep is not None:
            place["group"] = self.run.sweep.name
        logger: WandbLogger = instantiate(settings, **place)
        run = logger.experiment
        run.config.update(dict(self.run.settings), allow_val_change=True)
        return str(run.id), run

    def open(self, stage: str) -> Logger:
        """Return the Lightning logger of the stage within the run."""
        return _StageLogger(None, stage, -1) if is_helper() else _StageLogger(self.record, stage, self.last_step(stage))

    def last_step(self, stage: str) -> int:
        """Return the last update of the stage that the run has, from its summary."""
        return int(self.record.summary.get(f"{stage}/{_UPDATE}", -1))

    def add_result(self, record: Any, result: Result) -> None:
        """Add the pictures, and the figures as the run's summary."""
        import wandb

        if result.pictures:
            record.log({f"pictures/{name}": wandb.Image(str(path)) for name, path in result.pictures.items()})
        record.summary.update(dict(result.row))

    def finish(self, record: Any, *, finished: bool) -> None:
        """End the run and W&B's service. W&B allows one run per process, so the next job needs this."""
        import wandb

        code = 0 if finished else 1
        record.finish(exit_code=code)
        # The service writes an offline record some time after the run has ended. This waits for it.
        wandb.teardown(exit_code=code)


class _StageLogger(WandbLogger):
    """A logger of one stage in the run: names begin with the stage, and steps that the run has are left out."""

    LOGGER_JOIN_CHAR = "/"

    def __init__(self, run: Any, stage: str, logged: int) -> None:
        super().__init__(experiment=run, prefix=stage)
        self._logged = logged

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values at an update of the stage."""
        if step is None:
            super().log_metrics(metrics)
        elif step > self._logged:
            super().log_metrics({**metrics, _UPDATE: step}, step=step)

    def finalize(self, status: str) -> None:
        """Do nothing: the run goes on with the next stage."""
