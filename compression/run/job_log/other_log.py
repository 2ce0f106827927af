"""The log of a logger that this package does not know, e.g. Comet: one record per stage, named after it."""

from lightning.pytorch.loggers import Logger

from compression.config.make_part import make_part
from compression.run.job_log.folder_logs import SUMMARY
from compression.run.job_log.job_log import JobLog, Result


class OtherLog(JobLog):
    """Any Lightning logger that takes ``save_dir`` and ``name``."""

    def open(self, stage: str) -> Logger:
        """Return a Lightning logger with the stage as a part of its name."""
        name = f"{self.run.name}-{stage}"
        logger: Logger = make_part(self.run.logger, Logger, key="logger", save_dir=str(self.run.folder), name=name)
        return logger

    def last_step(self, stage: str) -> int:
        """Return -1: what the logger has is not known."""
        del stage
        return -1

    def write_summary(self, result: Result) -> None:
        """Log the numbers of the result at step 0."""
        logger = self.open(SUMMARY)
        logger.log_metrics(dict(result.numbers), step=0)
        logger.finalize("success")
