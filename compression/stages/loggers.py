"""The configured logger: one a stage, in the run's folder."""

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, WandbLogger

from compression.stages.context import Context


def make_logger(context: Context, version: str) -> Logger:
    """Return the configured logger, writing into the run's folder under the stage's name."""
    settings = dict(context.config.logger)
    # TensorBoard and CSV keep a folder a version; a logger without folders gets the stage into its name.
    place = {"version": version} if "name" in settings else {"name": f"{context.run_dir.name}-{version}"}
    logger: Logger = instantiate(settings, save_dir=str(context.run_dir), **place)
    return logger


def close_logger(logger: Logger) -> None:
    """Write what is buffered; W&B knows one run a process, which has to end before the next stage's."""
    logger.finalize("success")
    if isinstance(logger, WandbLogger):
        logger.experiment.finish()
