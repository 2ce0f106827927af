"""The sparsity that was asked for and the one that was found, joined in a sentence where they differ."""

from collections.abc import Iterator, Mapping
from typing import Any

from compression.core.text import percent
from compression.reporting.pruning_steps import TARGET_NAMES, keep_accurate

# A smaller difference needs no explanation.
_POINT = 0.01 + 1e-9


def describe_asked(metrics: Mapping[str, Any]) -> str | None:
    """Return a sentence on what was asked and where the other zeros come from; None if both agree within a point.

    ``metrics`` is a ``metrics.json`` document. A run that prunes nothing, or an older record, has no sentence.
    """
    run, history = metrics["run"], metrics.get("pruning_history")
    asked, found = run.get("target_sparsity"), metrics["compressed"]["sparsity"]
    if not history or asked is None or abs(found - asked) <= _POINT:
        return None
    target = run.get("target") or "weights"
    kept = keep_accurate(history, stopped=bool(run.get("stopped")))
    pruned = kept[-1]["sparsity"] if kept else 0.0
    reasons = list(_explain(metrics, pruned, asked=asked if target == "weights" else None))
    because = f": {', '.join(reasons)}" if reasons else ""
    return (
        f"Asked for: {100 * asked:g} % of {TARGET_NAMES.get(target, target)}. Found: {100 * found:.2f} % of the "
        f"weights are zero or removed{because}"
    )


def _explain(metrics: Mapping[str, Any], pruned: float, *, asked: float | None) -> Iterator[str]:
    """Yield what each stage did to the zeros. ``asked`` is the fraction of weights, None if it counts others."""
    quantized = metrics.get("quantization") or {}
    found = metrics["compressed"]["sparsity"]
    before = quantized.get("sparsity_before", found)
    if metrics["run"].get("stopped"):
        yield f"pruning stopped at {percent(pruned)}, before accuracy fell too far"
    elif asked is None or abs(pruned - asked) > _POINT:
        yield f"pruning left {percent(pruned)} zero"
    if (metrics.get("compaction") or {}).get("compacted") and abs(before - pruned) > _POINT:
        yield (
            f"compaction took the weights that read or feed removed channels, from {percent(pruned)} to "
            f"{percent(before)}"
        )
    if abs(found - before) > _POINT:
        yield f"rounding made more zeros, from {percent(before)} to {percent(found)}"
