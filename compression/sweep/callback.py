"""Hydra's callback before a multirun, and before a single run that needed to be one."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from compression.config.explain import explain
from compression.config.schema import to_config
from compression.config.sweep_environment import SweepEnvironment
from compression.core.errors import InputError
from compression.sweep.prepare import begin
from compression.sweep.run_folder import note_new_folders
from compression.sweep.sweep_plan import describe_run
from compression.sweep.used_name import refuse_used_name


class SweepCallback(Callback):
    """A callback that refuses wrong commands and prints plans before Hydra makes a folder, and prepares a sweep."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a wrong configuration or a used name, and print a plan, before Hydra makes a folder for the run."""
        del kwargs
        with _ended():
            if config.baselines:
                raise InputError(
                    "baselines=true: they run beside the jobs of a sweep; give -m as well, or leave it false"
                )
            HydraConfig.instance().set_config(config)
            checked = to_config(config)
            refuse_used_name(config)
            if checked.plan:
                print(describe_run(checked))
                sys.exit(0)
        note_new_folders(Path(str(config.hydra.run.dir)).absolute())

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Expand the grid of the master configuration ``config``, and check every job."""
        del kwargs
        if SweepEnvironment.read().sweep_file is not None:
            # A pool of workers died and Hydra starts again. The sweep is checked and planned already.
            return
        with _ended():
            begin(config)


@contextmanager
def _ended() -> Iterator[None]:
    """End the process for any error, with one line for wrong input: Hydra would warn of it and continue."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        message = explain(error)
        if message is None:
            traceback.print_exc()
        sys.exit(1 if message is None else f"error: {message}")
