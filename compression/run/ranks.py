"""The rank of this process among the processes that train together.

With ``trainer.devices`` above 1, Lightning starts helper processes by the run's own command. A helper joins one
training and exits.
"""

import os
from pathlib import Path

from compression.config.sweep_environment import SweepEnvironment

LOCAL_RANK = "LOCAL_RANK"


def local_rank() -> int:
    """Return the rank of this process in its training; 0 is the run itself."""
    return 0 if SweepEnvironment.read().joined is None else int(os.environ.get(LOCAL_RANK, 0))


def is_helper() -> bool:
    """Return whether this process only helps in the training of another process."""
    return local_rank() > 0


def joined_stage() -> Path:
    """Return the folder of the stage whose training this helper joins."""
    joined = SweepEnvironment.read().joined
    assert joined is not None, "not a helper"
    return joined
