"""The environment variables that connect the processes of a sweep."""

import os
import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

# The record of a sweep or search, in its folder.
SWEEP_RECORD = "sweep.json"

SWEEP_FILE = "COMPRESSION_SWEEP"
INVOCATION = "COMPRESSION_INVOCATION"
PARENT = "COMPRESSION_PARENT"
GPUS = "COMPRESSION_GPUS"
BASELINES = "COMPRESSION_BASELINES"
JOINED = "COMPRESSION_JOINED"


@dataclass(frozen=True)
class SweepEnvironment:
    """Settings that a process inherits from the command that started it. ``None``: the variable is not set.

    - ``sweep_file``: ``sweep.json`` of the running sweep. Worker processes inherit it, on other machines too.
    - ``invocation``: an identifier of the user's command. A command makes or tries each thing at most once.
    - ``parent``: PID of the process that started this one. A child that finds another parent ends.
    - ``gpus``: the GPUs that jobs share, as ``CUDA_VISIBLE_DEVICES`` names them. Empty: another program assigns GPUs.
    - ``baseline_workers``: number of baselines that run at once. None: the command wants no baselines.
    - ``joined``: folder of the stage whose training a helper process joins.
    """

    sweep_file: Path | None = None
    invocation: str | None = None
    parent: int | None = None
    gpus: tuple[str, ...] | None = None
    baseline_workers: int | None = None
    joined: Path | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "SweepEnvironment":
        """Return the settings in the environment variables of this process."""
        sweep_file, parent, gpus = variables.get(SWEEP_FILE), variables.get(PARENT), variables.get(GPUS)
        workers, joined = variables.get(BASELINES), variables.get(JOINED)
        return cls(
            sweep_file=Path(sweep_file) if sweep_file else None,
            invocation=variables.get(INVOCATION),
            parent=int(parent) if parent else None,
            gpus=None if gpus is None else tuple(gpu for gpu in gpus.split(",") if gpu),
            baseline_workers=int(workers) if workers else None,
            joined=Path(joined) if joined else None,
        )

    def write(self, variables: MutableMapping[str, str] = os.environ) -> None:
        """Set the environment variables to these settings, and remove the variables of those that are ``None``."""
        values = {
            SWEEP_FILE: self.sweep_file,
            INVOCATION: self.invocation,
            PARENT: self.parent,
            GPUS: None if self.gpus is None else ",".join(self.gpus),
            BASELINES: self.baseline_workers,
            JOINED: self.joined,
        }
        for name, value in values.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = str(value)

    @property
    def sweep_folder(self) -> Path | None:
        """Folder of the running sweep."""
        return None if self.sweep_file is None else self.sweep_file.parent


def name_invocation() -> None:
    """Give this command an identifier, unless it belongs to a command that has one."""
    environment = SweepEnvironment.read()
    if environment.invocation is None:
        replace(environment, invocation=uuid.uuid4().hex).write()
