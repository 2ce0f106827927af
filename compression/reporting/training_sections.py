"""Sections of ``report.md`` on how a run trained: distillation and pruning."""

from collections.abc import Mapping, Sequence
from typing import Any

from compression.reporting.markdown import escape, to_table
from compression.reporting.pruning_steps import TARGET_NAMES
from compression.reporting.pruning_steps import to_markdown as history_markdown


def distillation_to_markdown(metrics: Mapping[str, Any]) -> str:
    """Return the section on teacher and student, from the document of ``metrics.json``; empty without a teacher."""
    taught = metrics["run"]["distillation"]
    if taught is None:
        return ""
    teacher = "the dense model of this run" if taught["teacher"] == "dense" else taught["teacher"]
    text = f"\n## Distillation\n\nTeacher: {teacher}; alpha {taught['alpha']:g}, temperature {taught['temperature']:g}"
    if taught["feature"] is not None:
        text += f"; {taught['feature']['kind']} of feature maps, weight {taught['feature']['weight']:g}"
    text += ".\n"
    if taught["student"] is not None:
        student, accuracy = taught["student"], metrics["run"]["val_accuracy"]
        text += (
            f"Student: {student['model']}, trained for {student['epochs']} epochs to {100 * accuracy['distil']:.2f} % "
            f"validation accuracy; the dense model has {100 * accuracy['dense']:.2f} %.\n"
        )
    return text


def pruning_to_markdown(metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """Return the sections on pruning steps and removed channels. ``history`` has a row for each step."""
    text = f"\n## Steps\n\n{history_markdown(history, timed=metrics['timing']['steps'])}"
    if metrics["run"]["target"] != "weights":
        target, fraction = metrics["run"]["target"], metrics["run"]["target_sparsity"]
        text += f"\nThe target was to remove {100 * fraction:g} % of {TARGET_NAMES[target]}.\n"
    if metrics["run"]["stopped"]:
        text += f"\nStopped: {metrics['run']['stopped']}.\n"
    if metrics["compaction"] and metrics["compaction"]["compacted"]:
        channels = metrics["compaction"]["channels"].items()
        rows = [(escape(name), str(old), str(new)) for name, (old, new) in channels]
        table = to_table(("first layer of the group", "before", "after"), rows)
        text += "\n".join(["", "## Channels", "", *table])
        text += f"\n\nThe logits differ by {metrics['compaction']['difference']:.1e} of the largest.\n"
    return text
