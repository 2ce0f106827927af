"""The sensitivity that the configured strategy needs: its kind, and whether it is measured or read from a file."""

import json
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from torch import nn

from compression.config.make_part import make_part
from compression.core.errors import InputError
from compression.pruning.allocations import Allocation
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.pruning.strategy import find_units
from compression.run.context import Context

# The criterion and the granularity that measure each kind. The strategy's own parts do not change a measurement.
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "weights": {
        "criterion": {"_target_": "compression.pruning.criteria.magnitude.Magnitude"},
        "granularity": {"_target_": "compression.pruning.granularities.weights.Weights"},
    },
    "channels": {
        "criterion": {"_target_": "compression.pruning.criteria.channel_norm.ChannelNorm", "p": 1},
        "granularity": {"_target_": "compression.pruning.granularities.channels.Channels", "round_to": 1},
    },
}


def needs_sensitivity(context: Context) -> bool:
    """Return whether the strategy allocates sparsity by sensitivity."""
    if not context.config.strategy.prunes:
        return False
    allocation = make_part(context.config.strategy.allocation, Allocation, key="strategy.allocation")
    return bool(getattr(allocation, "needs_sensitivity", False))


def needs_measurement(context: Context) -> bool:
    """Return whether this run measures sensitivity: the strategy needs a table, and no file is configured."""
    return needs_sensitivity(context) and context.config.strategy.allocation.get("file") is None


def configured_kind(context: Context) -> str:
    """Return which kind of sensitivity the strategy needs: ``weights`` or ``channels``."""
    return "channels" if context.config.strategy.removes_channels else "weights"


def read_given_table(context: Context) -> SensitivityTable | None:
    """Return the table in the file ``strategy.allocation.file``, or None without one; raises ``InputError``."""
    file = context.config.strategy.allocation.get("file")
    if file is None:
        return None
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"strategy.allocation.file={file}: no such file")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"strategy.allocation.file={file} is not a table of sensitivity: {error}") from error
    return SensitivityTable.from_json(content, source=f"strategy.allocation.file={file}")


def check_kind(context: Context, model: nn.Module, kind: str) -> None:
    """Raise ``InputError`` if nothing of this kind can be pruned in ``model``."""
    find_units(instantiate(KINDS[kind]["granularity"]), model, example=context.example(), amount=0.5, target=kind)
