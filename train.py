"""Train, compress, write and measure one model: `python train.py strategy=iterative_l1 sparsity=0.9`."""

import os
import sys
import uuid
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from compression.config import run_name, schema
from compression.config.explain import errors_in_one_line

schema.register()
run_name.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    """Run the stages and return the objective: the test accuracy of the compressed file."""
    config = schema.to_config(cfg)
    # Imported late, so that --help and a mistyped key are answered before torch is loaded.
    from compression.pipeline import run

    hydra_config = HydraConfig.get()
    run_dir = hydra_config.runtime.output_dir
    if hydra_config.mode == RunMode.MULTIRUN:
        # Hydra says which job failed, and goes on with the others.
        return run(config, run_dir=run_dir)
    with errors_in_one_line():
        return run(config, run_dir=run_dir)


if __name__ == "__main__":
    # Hydra hides tracebacks of real defects and prints those of typing errors; this turns it round.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # Stages made under this name are this invocation's own: `overwrite=true` remakes each of them once.
    os.environ["COMPRESSION_INVOCATION"] = uuid.uuid4().hex
    # A user's own model is found where the command is given, as with `python -m`.
    sys.path.append(str(Path.cwd()))
    with errors_in_one_line():
        main()
