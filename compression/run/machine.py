"""The hardware and arithmetic of a run: device, precision, threads, processes."""

import contextlib
import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate

from compression.config.schema import Config
from compression.config.sweep_environment import SweepEnvironment
from compression.core.errors import InputError
from compression.run.ranks import LOCAL_RANK, is_helper, local_rank


@dataclass(frozen=True)
class Machine:
    """The device, precision and number of threads of a run.

    ``precision`` is Lightning's name, such as ``32-true``. ``devices`` is the number of processes that train a float
    network together.
    """

    device: torch.device
    precision: str
    threads: int
    devices: int = 1
    deterministic: bool = True

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that change the last bits of training; they are part of every stage's key."""
        return {
            "precision": self.precision,
            "threads": self.threads,
            "device": self.device.type,
            "deterministic": self.deterministic,
            "torch": torch.__version__,
            **({"devices": self.devices} if self.devices > 1 else {}),
        }


def find_machine(config: Config) -> Machine:
    """Return the configured machine; raises ``InputError`` for an unavailable device or an unsupported precision."""
    device = resolve_device(config.trainer.accelerator)
    check_devices(config, device)
    if is_helper() and device.type == "cuda":
        device = torch.device(device.type, local_rank())
    return Machine(
        device=device,
        precision=resolve_precision(config.trainer.precision, device),
        threads=config.threads or available_cores(),
        devices=config.trainer.devices,
        deterministic=config.trainer.deterministic,
    )


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_device(accelerator: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``mps``; raises ``InputError`` if it is not available."""
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError("trainer.accelerator=cuda: no CUDA device is available; allowed here: auto, cpu")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise InputError("trainer.accelerator=mps: no Apple GPU is available; allowed here: auto, cpu")
    return torch.device(accelerator, 0) if accelerator == "cuda" else torch.device(accelerator)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return Lightning's name of a precision; ``auto`` is bf16 on a GPU with native bf16, else float32.

    Raises ``InputError`` for float16 on a CPU.
    """
    if precision == "16-mixed" and device.type == "cpu":
        raise InputError("trainer.precision=16-mixed: not supported on a CPU; allowed here: auto, 32-true, bf16-mixed")
    if precision != "auto":
        return precision
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if native else "32-true"


def check_devices(config: Config, device: torch.device) -> None:
    """Raise ``InputError`` if ``trainer.devices`` processes cannot train together on ``device``."""
    devices = config.trainer.devices
    if devices == 1:
        return
    asked, size = f"trainer.devices={devices}", _find_batch_size(config.data)
    if device.type == "mps":
        raise InputError(f"{asked}: a machine has one Apple GPU; must be 1")
    if device.type == "cuda" and torch.cuda.device_count() < devices:
        raise InputError(f"{asked}: there are {torch.cuda.device_count()} CUDA devices; must be at most as many")
    if not isinstance(size, int) or size < 2 * devices:
        raise InputError(
            f"{asked} splits data.batch_size={size}: must be a number, with at least two images per process"
        )
    if config.distillation.name == "feature":
        raise InputError(f"{asked} contradicts distillation=feature, which needs one device: must be 1")
    if LOCAL_RANK in os.environ and SweepEnvironment.read().joined is None:
        raise InputError(f"{asked} starts its processes itself: start one, without {LOCAL_RANK} in the environment")


def _find_batch_size(data: Mapping[str, Any]) -> object:
    """Return the configured batch size, or the default of the data set's class; None if it has none."""
    if "batch_size" in data:
        return data["batch_size"]
    target = instantiate({"_target_": data["_target_"], "_partial_": True}).func
    # A class may pass its other arguments on to the class that it inherits from.
    for one in inspect.getmro(target) if inspect.isclass(target) else (target,):
        # Some classes written in C have no signature.
        with contextlib.suppress(ValueError):
            parameter = inspect.signature(one).parameters.get("batch_size")
            if parameter is not None:
                return None if parameter.default is inspect.Parameter.empty else parameter.default
    return None
