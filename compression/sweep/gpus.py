"""One GPU for each job: the workers of a machine share its GPUs by file locks."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from compression.config.sweep_environment import SweepEnvironment

VISIBLE = "CUDA_VISIBLE_DEVICES"


def list_gpus() -> list[str]:
    """Return the GPUs that this process may use."""
    import torch

    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [gpu.strip() for gpu in visible.split(",") if gpu.strip()]
    return [str(index) for index in range(torch.cuda.device_count())]


def share_gpus() -> None:
    """Let the jobs of this process share its GPUs, unless the process that started it has decided how."""
    environment = SweepEnvironment.read()
    if environment.gpus is None:
        replace(environment, gpus=tuple(list_gpus())).write()


@contextmanager
def take_gpu(folder: Path, *, number: int) -> Iterator[dict[str, str]]:
    """Lock a GPU for job ``number`` of the sweep in ``folder``, and yield the environment variables that select it.

    The search starts at GPU ``number`` modulo the number of GPUs and takes the first free one. With more workers than
    GPUs all may be locked: the job then shares the GPU where its search started. A killed worker loses its lock.
    """
    gpus = SweepEnvironment.read().gpus
    if not gpus:
        yield {}
        return
    turn = number % len(gpus)
    lock = _hold_one([*gpus[turn:], *gpus[:turn]], folder / ".gpus")
    try:
        yield {VISIBLE: gpus[turn] if lock is None else Path(lock.lock_file).stem.replace("%", "/")}
    finally:
        if lock is not None:
            lock.release()


def _hold_one(gpus: Sequence[str], folder: Path) -> FileLock | None:
    folder.mkdir(parents=True, exist_ok=True)
    for gpu in gpus:
        # The name of a MIG device may contain slashes.
        lock = FileLock(folder / f"{gpu.replace('/', '%')}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock
    return None
