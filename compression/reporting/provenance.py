"""Provenance: the commit, the software and the machine with which a run was made."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import torch

_PACKAGES = ("torch", "torchvision", "lightning", "hydra-core", "onnxruntime", "onnx", "numpy")
_EXTRAS = ("openvino",)


def describe_machine() -> dict[str, Any]:
    """Return processor, usable cores, memory in bytes, GPU and operating system of this machine."""
    return {
        "processor": _processor(),
        "cores": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
    }


def describe_software() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect results."""
    extras = [name for name in _EXTRAS if find_spec(name) is not None]
    return {"python": platform.python_version(), **{name: version(name) for name in (*_PACKAGES, *extras)}}


def git_commit(folder: Path) -> str | None:
    """Return the commit checked out in ``folder``, with ``+changes`` if tracked files differ; None outside git."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if changed else commit


def describe_making() -> dict[str, Any]:
    """Return the provenance of everything that this process makes: commit, packages, machine and current time."""
    return {
        "git_commit": git_commit(Path(__file__).parent),
        "software": describe_software(),
        "machine": describe_machine(),
        "begun": now(),
    }


def now() -> str:
    """Return the current time in UTC as ISO 8601 text, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
