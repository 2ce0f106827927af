"""The pictures of a run: files in its folder, and images in TensorBoard."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from compression.core.selection import prunable_weights
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.reporting.figures.filters import draw_filters
from compression.reporting.figures.layer_sparsity import draw_layer_sparsity
from compression.reporting.figures.pruning_history import draw_pruning_history
from compression.reporting.figures.sensitivity_curves import draw_sensitivity_heatmap, draw_sensitivity_lines
from compression.reporting.figures.weight_histograms import draw_weight_histograms
from compression.reporting.pruning_steps import describe_timing
from compression.run.building.network_files import load_network
from compression.run.context import Context
from compression.stage_store.store import StageRecord

# Of all pictures that a run may have, as files without their suffix.
NAMES = (
    *("weight_histograms", "layer_sparsity", "pruning_history", "first_filters"),
    *("sensitivity_weights", "sensitivity_channels"),
)


def draw_pruning(
    context: Context,
    records: Mapping[str, StageRecord],
    *,
    history: Sequence[Mapping[str, Any]],
    timed: Mapping[str, Any] | None,
) -> dict[str, Figure]:
    """Return the pictures of a run that prunes, by file name: weights, first filters, layers, steps, sensitivity.

    Weights are those of the masked network: in a compacted one, removed filters cannot be seen.
    """
    whole = "distil" if "distil" in records else "dense"
    before, after = (prunable_weights(load_network(context, records[stage])) for stage in (whole, "prune"))
    pruned = records["prune"].results
    figures = {
        "weight_histograms": draw_weight_histograms(before, after=after),
        "layer_sparsity": draw_layer_sparsity(pruned["layer_sparsity"], target=pruned["sparsity"]),
        "pruning_history": draw_pruning_history(history, latency_label=describe_timing(timed) if timed else ""),
    }
    first = next((name for name, weight in before.items() if weight.ndim == 4), None)
    if first is not None:
        title = f"{first}, before and after {context.config.strategy.name}"
        figures["first_filters"] = draw_filters(before[first], after=after[first], title=title)
    if "sensitivity" in records:
        figures |= draw_sensitivity(SensitivityTable.from_json(records["sensitivity"].results))
    return figures


def draw_sensitivity(table: SensitivityTable) -> dict[str, Figure]:
    """Return the picture of a table of sensitivity: lines of layers, or a heat map of groups of channels."""
    draw = draw_sensitivity_lines if table.kind == "weights" else draw_sensitivity_heatmap
    return {f"sensitivity_{table.kind}": draw(table.accuracy, baseline=table.baseline)}
