"""One training in several processes: the run is the first, and helpers join it for that training alone.

Lightning starts a helper by the run's own command. It finds in the store what the run has found there, meets the stage
that is being made, and leaves the process where its training ends: it publishes, writes and measures nothing.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

from compression.config.schema import Config
from compression.config.sweep_name import PARENT
from compression.core.errors import InputError
from compression.stage_store.store import RESUME, Made, StageKey, StageRecord, Store

# The folder of the stage whose training a helper joins.
JOINED = "COMPRESSION_JOINED"
_LOCAL_RANK = "LOCAL_RANK"
# What Lightning leaves in the environment; where it finds that, its next training would start nobody.
_LEFT_BEHIND = (_LOCAL_RANK, "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def local_rank() -> int:
    """Return which process of a training this is; 0 is the run itself."""
    return int(os.environ.get(_LOCAL_RANK, 0)) if JOINED in os.environ else 0


def is_helper() -> bool:
    """Whether this process only joins in a training."""
    return local_rank() > 0


def check_devices(config: Config, device: torch.device) -> None:
    """Raise ``InputError`` where ``trainer.devices`` cannot train together."""
    devices = config.trainer.devices
    if devices == 1:
        return
    asked, size = f"trainer.devices={devices}", config.data["batch_size"]
    if device.type == "mps":
        raise InputError(f"{asked}: an Apple GPU is one; must be 1")
    if device.type == "cuda" and torch.cuda.device_count() < devices:
        raise InputError(f"{asked}: there are {torch.cuda.device_count()} CUDA devices; must be at most as many")
    if size == "auto" or size < 2 * devices:
        raise InputError(f"{asked} shares out data.batch_size={size}: must be a number, two images a process at least")
    if config.distillation.name == "feature":
        raise InputError(f"{asked} contradicts distillation=feature, which learns beside the student: must be 1")
    if _LOCAL_RANK in os.environ and JOINED not in os.environ:
        raise InputError(f"{asked} starts its processes itself: start one, without {_LOCAL_RANK} in the environment")


@contextmanager
def helpers_join(folder: Path, *, threads: int) -> Iterator[None]:
    """Tell helpers started inside which stage to join; afterwards everything is as it was."""
    if is_helper():
        yield
        _leave_group()
        return
    ours: Mapping[str, str] = {
        JOINED: str(folder.absolute()),
        PARENT: str(os.getpid()),
        # Without it Lightning shares the cores out anew.
        "OMP_NUM_THREADS": str(threads),
    }
    before = {key: os.environ.get(key) for key in (*ours, *_LEFT_BEHIND)}
    os.environ.update(ours)
    try:
        yield
        _leave_group()
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def _leave_group() -> None:
    # The first process holds what the others meet at; it must not go while one of them is still on its way.
    distributed.barrier()
    distributed.destroy_process_group()


def agree(value: float) -> float:
    """Return the first process's ``value``, where several train; else ``value``."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


class JoiningStore(Store):
    """The store as a helper sees it: it makes the joined stage along, in a folder that nobody keeps, without a lock."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.root, invocation=store.invocation, overwrite=store.overwrite, made_with=store.made_with)

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the stage of ``key`` if it is finished, else take part in its training and leave."""
        found, joined = self.find(key), Path(os.environ[JOINED])
        if found is not None:
            return found
        assert joined.name == f"{key.stage}-{key.id}.partial", f"{key.stage}-{key.id} is asked for, made is {joined}"
        with tempfile.TemporaryDirectory() as scratch:
            # All begin from the same checkpoint; only the first process writes one.
            (Path(scratch) / RESUME).symlink_to(joined / RESUME)
            make(Path(scratch))
        raise AssertionError(f"{key.stage} has no training to join")


def ddp_settings(device: torch.device, devices: int) -> dict[str, Any]:
    """Return what a Trainer needs to train in ``devices`` processes of this machine."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    # Under Slurm as well, where one task holds all GPUs of the training.
    strategy = DDPStrategy(process_group_backend=backend, cluster_environment=LightningEnvironment())
    return {"devices": devices, "strategy": strategy, "use_distributed_sampler": False}


def wait_for_helpers(trainer: Trainer) -> None:
    """Return when the helpers of a training have gone, with the memory they held."""
    launcher = trainer.strategy.launcher
    assert isinstance(launcher, _SubprocessScriptLauncher)
    for process in launcher.procs:
        process.wait()
    # Hydra opens a log for each of them, where only their errors are.
    for log in Path(trainer.default_root_dir).glob("train_ddp_process_*.log"):
        if log.stat().st_size == 0:
            log.unlink()
