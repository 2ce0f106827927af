"""The command that trains, compresses and measures a model: ``python train.py strategy=iterative_l1 sparsity=0.9``."""

import os
import sys
from pathlib import Path

from compression.system.extras import missing_extra_in_one_line

with missing_extra_in_one_line():
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    from compression.config.compose import register
    from compression.config.explain import errors_in_one_line
    from compression.config.schema import to_config
    from compression.config.sweep_environment import name_invocation
    from compression.sweep.command_words import order_words
    from compression.sweep.execute import complete, run_alone, run_numbered
    from compression.sweep.supervise import exit_with_parent
    from compression.system.quick_exit import exit_quickly
    from compression.system.termination import stop_in_order

register()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float | None:
    """Run one configuration and return its objective, an accuracy from 0 to 1; a job of a sweep returns None."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode == RunMode.MULTIRUN:
        run_numbered(hydra_config.job.num)
        return None
    with errors_in_one_line():
        return run_alone(to_config(cfg), run_dir=hydra_config.runtime.output_dir)


if __name__ == "__main__":
    # By default Hydra hides tracebacks of defects and prints those of typing errors. This reverses it.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # Stages record this name, so that `overwrite=true` makes each of them again only once.
    name_invocation()
    sys.argv = order_words(sys.argv)
    sys.path.append(str(Path.cwd()))  # for a user's own model, as with `python -m`
    exit_with_parent()
    stop_in_order()
    with errors_in_one_line():
        exit_quickly(complete(main))
