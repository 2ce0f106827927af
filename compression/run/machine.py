"""What this machine gives a run: cores, device, precision."""

import os

import torch

from compression.core.errors import InputError


def available_cores() -> int:
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_device(accelerator: str) -> torch.device:
    """Return the device for ``auto | cpu | cuda | mps``; raises ``InputError`` for one that is not there."""
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError("trainer.accelerator=cuda: no CUDA device is available; allowed here: auto, cpu")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise InputError("trainer.accelerator=mps: no Apple GPU is available; allowed here: auto, cpu")
    return torch.device(accelerator, 0) if accelerator == "cuda" else torch.device(accelerator)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return Lightning's name of a precision; ``auto`` is bf16 on a GPU with native bf16, else float32."""
    if precision == "16-mixed" and device.type == "cpu":
        raise InputError("trainer.precision=16-mixed: a CPU has none; allowed here: auto, 32-true, bf16-mixed")
    if precision != "auto":
        return precision
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if native else "32-true"
