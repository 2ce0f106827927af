"""The log in MLflow: one run a job, by default in a file store under the output folder."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from compression.core.file_names import PICTURES
from compression.run.job_log.job_log import Result
from compression.run.job_log.tracked_log import Identity, TrackedLog
from compression.run.ranks import is_helper

# The file store in the output folder. MLflow calls it so by default, so `mlflow ui` finds it there.
STORE = "mlruns"
# The tag of a run that names its sweep, and the file in a sweep's folder with the id of the run of the sweep.
SWEEP, PARENT_FILE = "sweep", ".mlflow_run"


class MlflowLog(TrackedLog):
    """One MLflow run with parameters, the curves of all stages, the figures of the result, and pictures as artifacts.

    Jobs of a sweep have a run of the sweep as their parent, and its name as the tag ``sweep``.
    """

    name = "mlflow"

    @cached_property
    def _settings(self) -> dict[str, Any]:
        settings = dict(self.run.logger)
        if not settings.get("tracking_uri"):
            # MLflow has stopped developing its file store, and asks for this before it uses one.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            settings["tracking_uri"] = (self.run.output_dir / STORE).absolute().as_uri()
        # MLflow reports its use to its makers by default. It reads this when it is imported.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        return settings

    def start(self, identity: Identity | None) -> tuple[str, Any]:
        """Begin or continue the MLflow run; the service's object is its client."""
        # Jobs that start together would make two experiments of one name.
        self.run.output_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(self.run.output_dir / f".{STORE}.lock"):
            tags = {} if self.run.sweep is None else self._name_sweep(self.run.sweep)
            known = identity.id if identity and self._exists(identity.id) else None
            logger = self._make(run_name=self.run.name, tags=tags, run_id=known)
            run_id = str(logger.run_id)
        logger.experiment.update_run(run_id, status="RUNNING")
        logger.log_hyperparams(dict(self.run.settings))
        return run_id, logger.experiment

    def open(self, stage: str) -> Logger:
        """Return the Lightning logger of the stage within the run."""
        if is_helper():
            return self._make(kind=_StageLogger, prefix=stage)
        _ = self.record
        assert self.identity is not None
        logger = self._make(kind=_StageLogger, prefix=stage, run_id=self.identity.id)
        logger.logged = self.last_step(stage)
        return logger

    def last_step(self, stage: str) -> int:
        """Return the last update at which the stage has a learning rate: the end of its last logged epoch."""
        client = self.record
        assert self.identity is not None
        return max((one.step for one in client.get_metric_history(self.identity.id, f"{stage}/lr")), default=-1)

    def add_result(self, record: Any, result: Result) -> None:
        """Add the figures as metrics, and pictures and files as artifacts."""
        assert self.identity is not None
        run_id = self.identity.id
        self._make(run_id=run_id).log_metrics(dict(result.row), step=0)
        for path in result.pictures.values():
            record.log_artifact(run_id, str(path), PICTURES)
        for path in result.files:
            record.log_artifact(run_id, str(path))

    def finish(self, record: Any, *, finished: bool) -> None:
        """End the run."""
        assert self.identity is not None
        record.set_terminated(self.identity.id, "FINISHED" if finished else "FAILED")

    def _make(self, *, kind: type[MLFlowLogger] = MLFlowLogger, **settings: Any) -> Any:
        target = {"_target_": f"{kind.__module__}.{kind.__qualname__}"}
        return instantiate({**self._settings, **target, "_convert_": "all"}, **settings)

    def _exists(self, run_id: str) -> bool:
        uri = self._settings["tracking_uri"]
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            return str(MlflowClient(uri).get_run(run_id).info.lifecycle_stage) == "active"
        except MlflowException:
            return False

    def _name_sweep(self, sweep: Path) -> dict[str, str]:
        """Return the tags of a job of ``sweep``; the first job makes the run of the sweep."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        file = sweep / PARENT_FILE
        parent = file.read_text().strip() if file.is_file() else ""
        if not parent or not self._exists(parent):
            logger = self._make(run_name=sweep.name, tags={SWEEP: sweep.name})
            parent = str(logger.run_id)
            logger.experiment.set_terminated(parent)
            file.write_text(f"{parent}\n")
        return {SWEEP: sweep.name, MLFLOW_PARENT_RUN_ID: parent}


class _StageLogger(MLFlowLogger):
    """A logger of one stage in the run: names begin with the stage, and steps up to ``logged`` are left out."""

    LOGGER_JOIN_CHAR = "/"
    logged = -1

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values at an update of the stage."""
        if step is None or step > self.logged:
            # A file store keeps `sparsity` in a file and `sparsity/LAYER` in a folder, which cannot have one name.
            named = {re.sub("^sparsity/", "layer_sparsity/", name): value for name, value in metrics.items()}
            super().log_metrics(named, step=step)

    def finalize(self, status: str = "success") -> None:
        """Do nothing: the run goes on with the next stage."""
