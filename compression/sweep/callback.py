"""Hydra's callback before a multirun, and before a single run that needed to be one."""

import sys
import traceback
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from compression.config.explain import explain
from compression.config.sweep_environment import SweepEnvironment
from compression.sweep.prepare import begin


class SweepCallback(Callback):
    """A callback that prepares a sweep before Hydra runs the first job, and ends the process if a job is wrong."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse settings that only a sweep has, before Hydra makes a folder for the run."""
        del kwargs
        if config.baselines:
            sys.exit("error: baselines=true: they run beside the jobs of a sweep; give -m as well, or leave it false")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Expand the grid of the master configuration ``config``, and check every job."""
        del kwargs
        if SweepEnvironment.read().sweep_file is not None:
            # A pool of workers died and Hydra starts again. The sweep is checked and planned already.
            return
        try:
            begin(config)
        # Hydra turns errors of a callback into warnings, and would continue.
        except Exception as error:  # noqa: BLE001
            message = explain(error)
            if message is None:
                traceback.print_exc()
            sys.exit(1 if message is None else f"error: {message}")
