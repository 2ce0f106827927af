"""The agreement of executed integers with their simulation, in words."""

from collections.abc import Mapping
from typing import Any

_OPTIMIZATIONS = {
    "ORT_DISABLE_ALL": "none",
    "ORT_ENABLE_BASIC": "basic",
    "ORT_ENABLE_EXTENDED": "extended",
    "ORT_ENABLE_LAYOUT": "layout",
    "ORT_ENABLE_ALL": "all",
}


def describe_logit_error(parity: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the relative error of the logits, and how many differ, e.g. ``0.31 %`` and ``13,057 of 37,000 differ``.

    Return None for a record of an earlier version, which has neither.
    """
    if "relative_logit_error" not in parity:
        return None
    error, differing, total = (parity[key] for key in ("relative_logit_error", "differing_logits", "logits"))
    return format_relative_error(error), f"{differing:,} of {total:,} differ"


def format_relative_error(error: float | None) -> str:
    """Return a relative error in percent, with two digits for small ones too; ``not known`` for None."""
    if error is None:
        return "not known"
    return f"{100 * error:.2f} %" if not 0 < error < 5e-5 else f"{100 * error:.1e} %"


def describe_optimization(parity: Mapping[str, Any]) -> str | None:
    """Return the level of graph optimizations of a parity record in words; None if it is not on record."""
    level = parity.get("graph_optimization")
    return None if not level else _OPTIMIZATIONS.get(level, level)
