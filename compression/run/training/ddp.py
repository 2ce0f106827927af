"""One training in several processes: the run is the first process, and helpers join it for that training alone.

Lightning starts a helper by the run's own command. The helper finds the same finished stages, reaches the stage that is
being made, and exits when that training ends (``run.pipeline.join_training``).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

from compression.config.sweep_environment import JOINED, PARENT, SweepEnvironment
from compression.run.ranks import LOCAL_RANK, is_helper

_THREADS = "OMP_NUM_THREADS"
# Lightning leaves these in the environment. If its next training found them, it would start no helper.
_LEFT_BEHIND = (LOCAL_RANK, "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def helpers_join(folder: Path, *, threads: int) -> Iterator[None]:
    """Let helpers that start within this block join the training in ``folder``; restore the environment afterwards."""
    if is_helper():
        yield
        _leave_group()
        return
    before = {key: os.environ.get(key) for key in (JOINED, PARENT, _THREADS, *_LEFT_BEHIND)}
    replace(SweepEnvironment.read(), joined=folder.absolute(), parent=os.getpid()).write()
    # Without this, Lightning would divide the cores again.
    os.environ[_THREADS] = str(threads)
    try:
        yield
        _leave_group()
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def _leave_group() -> None:
    # The first process hosts the rendezvous, so it must not leave while another process still needs it.
    distributed.barrier()
    distributed.destroy_process_group()


def agree(value: float) -> float:
    """Return the first process's ``value`` if several processes train together; otherwise ``value`` itself."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def ddp_settings(device: torch.device, devices: int, *, has_idle: bool = False) -> dict[str, Any]:
    """Return the Trainer settings for training in ``devices`` processes on this machine.

    ``has_idle``: the network has layers that get no gradient, which the processes must not wait for.
    """
    backend = "nccl" if device.type == "cuda" else "gloo"
    # This holds under Slurm too, where one task holds all GPUs of the training.
    strategy = DDPStrategy(
        process_group_backend=backend,
        cluster_environment=LightningEnvironment(),
        find_unused_parameters=has_idle,
    )
    return {"devices": devices, "strategy": strategy, "use_distributed_sampler": False}


def wait_for_helpers(trainer: Trainer) -> None:
    """Wait until the helpers of a training have exited and their memory is free."""
    launcher = trainer.strategy.launcher
    assert isinstance(launcher, _SubprocessScriptLauncher)
    for process in launcher.procs:
        process.wait()
    # Hydra creates a log for each helper, which holds only errors.
    for log in Path(trainer.default_root_dir).glob("train_ddp_process_*.log"):
        if log.stat().st_size == 0:
            log.unlink()
