"""Sections of a page about what a model gets wrong, and which classes lose accuracy by compression."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from compression.analysis.verdict import format_p
from compression.core.text import percent
from compression.reporting.page.embedded_pictures import embed_pictures
from compression.reporting.page.failure_document import (
    Change,
    ClassChange,
    FailureDocument,
    Interval,
    ModelFailures,
    NamedClass,
)
from compression.reporting.page.page_blocks import Block, Details, Gallery, Section, Table, Text

# Rows that are shown at once; longer tables show the first ones and keep the complete table behind a click.
MAX_ROWS = 20
_CHANGE_PICTURES = {
    "per_class_change": ("Change of each class", "Change of accuracy of each class with its 95 % interval, see table"),
    "flipped_examples": (
        "Images that flipped",
        "Test images that only the dense model classifies correctly, and images that only the compressed one does",
    ),
}
_MODEL_PICTURES = {
    "per_class_accuracy": ("Accuracy of each class", "Accuracy of each class with its 95 % interval, see table"),
    "misclassified_examples": (
        "Most confident errors",
        "Misclassified test images with true class, predicted class and confidence, the most confident first",
    ),
    "confusion_matrix_normalized": (
        "Confusion matrix, share of each class",
        "Share of the images of each true class by predicted class; the table names the most frequent confusions",
    ),
    "confidence_distribution": (
        "Confidence and reliability",
        "Histogram of the confidence of right and wrong predictions, and accuracy by confidence; see table",
    ),
}


def make_failure_sections(found: FailureDocument, pictures: Path) -> list[Section]:
    """Return the sections: the change if there is one, then the model. ``pictures`` is the folder of the pictures."""
    *others, name = found.models
    subject = found.models[name]
    sections = []
    if found.change is not None:
        blocks: list[Block] = [*_describe_change(found.change), *_show(pictures, _CHANGE_PICTURES)]
        sections.append(Section("change", "Change of each class", blocks))
    compared = found.models[others[0]] if others else None
    blocks = [*_describe_model(subject, compared, name), *_show(pictures, _MODEL_PICTURES)]
    sections.append(Section("failures", "Failure modes", blocks))
    if found.layers:
        rows = [[one.name, "-" if one.snr_db is None else f"{one.snr_db:.1f}"] for one in found.layers]
        text = "Output error of each layer against the dense network, on held-out images; a low ratio is a large error."
        table, rest = _shorten("Layers, largest error first", ("layer", "signal to noise, dB"), rows)
        sections.append(Section("layers", "Which layer hurts", [Text(text), table, *rest]))
    if found.robustness:
        sections.append(Section("robustness", "Robustness", [_describe_robustness(found.robustness)]))
    return sections


def list_headlines(found: FailureDocument) -> list[list[str]]:
    """Return headline rows: a figure, then its value for every model of the document."""
    models = list(found.models.values())
    return [
        ["accuracy", *(format_interval(one.accuracy) for one in models)],
        ["balanced accuracy", *(format_interval(one.balanced_accuracy) for one in models)],
        ["best class", *(_name_class(one.best_class) for one in models)],
        ["worst class", *(_name_class(one.worst_class) for one in models)],
    ]


def format_interval(interval: Interval) -> str:
    """Return e.g. ``94.30 % (93.8 to 94.7)``; ``-`` for None."""
    if interval.value is None:
        return "-"
    limits = "" if interval.low is None or interval.high is None else _between(interval.low, interval.high)
    return f"{100 * interval.value:.2f} %{limits}"


def format_p_value(value: float | None) -> str:
    """Return a p-value for a table, e.g. ``0.034`` or ``< 0.0001``; ``-`` for None."""
    return "-" if value is None else format_p(value).removeprefix("= ")


def _describe_change(change: Change) -> list[Block]:
    flipped = (
        f"{change.worsened:,} test images are right in the dense model only, {change.improved:,} in the compressed "
        f"model only (McNemar's exact test: p {'= -' if change.p_value is None else format_p(change.p_value)})."
    )
    columns = ("class", "images", "change, points", "95 % interval", "worsened", "improved", "p, corrected")
    rows = [_describe_class_change(one) for one in change.classes]
    confusions = [
        [f"{one.true} as {one.predicted}", f"{one.dense:,}", f"{one.compressed:,}", f"{one.compressed - one.dense:+,}"]
        for one in change.confusions
    ]
    changes, rest = _shorten("Change of each class, the largest loss first", columns, rows)
    names = ("confusion", "dense, images", "compressed, images", "difference")
    tables = [
        changes,
        *([Table("Changed confusions, the largest change first", names, confusions)] if confusions else []),
    ]
    return [Text(flipped), Gallery(tables), *rest]


def _describe_class_change(one: ClassChange) -> list[str]:
    limits = "-" if one.low is None or one.high is None else f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
    counts = [f"{one.worsened:,}", f"{one.improved:,}"]
    return [one.name, f"{one.images:,}", f"{100 * one.change:+.2f}", limits, *counts, format_p_value(one.p_corrected)]


def _describe_model(model: ModelFailures, dense: ModelFailures | None, name: str) -> list[Block]:
    before = {one.name: one for one in dense.classes} if dense else {}
    columns = ["class", "images", *(["dense"] if dense else []), name, "95 % interval", "precision", "F1"]
    ordered = sorted(model.classes, key=lambda one: (one.recall is None, one.recall or 0.0))
    rows = [
        [
            one.name,
            f"{one.images:,}",
            *([percent(before[one.name].recall, unit="") if one.name in before else "-"] if dense else []),
            percent(one.recall, unit=""),
            "-" if one.low is None or one.high is None else f"{100 * one.low:.1f} to {100 * one.high:.1f}",
            percent(one.precision, unit=""),
            "-" if one.f1 is None else f"{one.f1:.3f}",
        ]
        for one in ordered
    ]
    confusions = [
        [f"{one.true} as {one.predicted}", f"{one.count:,}", percent(one.share, unit="")]
        for one in model.top_confusions
    ]
    classes, rest = _shorten("Accuracy of each class in percent, the worst first", columns, rows)
    names = ("confusion", "images", "share of the class, %")
    named = "Most frequent confusions" if name == "model" else f"Most frequent confusions of the {name} model"
    shown = {"dense": dense, name: model} if dense else {name: model}
    tables = [classes, *([Table(named, names, confusions)] if confusions else []), _describe_confidence(shown)]
    blocks: list[Block] = [Gallery(tables), *rest]
    if model.groups is not None:
        text = (
            f"Of the errors, {100 * model.groups.within:.1f} % are within a group of classes and "
            f"{100 * model.groups.between:.1f} % between two groups; {100 * model.groups.outside:.1f} % have a class "
            "that is in no group."
        )
        blocks.append(Text(text))
    return blocks


def _describe_confidence(models: Mapping[str, ModelFailures]) -> Table:
    found = [one.confidence for one in models.values()]
    rows = [
        ["mean confidence, right predictions", *(_decimal(one.right) for one in found)],
        ["mean confidence, wrong predictions", *(_decimal(one.wrong) for one in found)],
        ["errors with confidence above 0.9", *(_count(one.errors_above) for one in found)],
        ["expected calibration error", *(_decimal(one.ece) for one in found)],
        ["the same with temperature scaling", *(_decimal(one.ece_scaled) for one in found)],
        ["temperature, fitted on held-out images", *(_decimal(one.temperature) for one in found)],
    ]
    return Table("Confidence", ("figure", *models), rows)


def _describe_robustness(robustness: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    names = list(dict.fromkeys(name for kinds in robustness.values() for row in kinds.values() for name in row))
    rows = [
        [f"{kind}, strength {strength}", *(percent(accuracies.get(name), unit="") for name in names)]
        for kind, strengths in robustness.items()
        for strength, accuracies in strengths.items()
    ]
    return Table("Accuracy in percent on damaged test images", ("damage", *names), rows)


def _shorten(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Table, list[Details]]:
    """Return the table; a long one as its first rows, with the complete table behind a click."""
    if len(rows) <= MAX_ROWS + 5:
        return Table(caption, columns, rows), []
    first = Table(f"{caption}: the first {MAX_ROWS} of {len(rows):,}", columns, rows[:MAX_ROWS])
    return first, [Details(f"All {len(rows):,} rows", [Table(caption, columns, rows)])]


def _show(folder: Path, named: dict[str, tuple[str, str]]) -> list[Block]:
    found = embed_pictures(folder, named)
    return [Gallery(found)] if found else []


def _name_class(one: NamedClass | None) -> str:
    return "-" if one is None or one.recall is None else f"{one.name}, {100 * one.recall:.1f} %"


def _between(low: float, high: float) -> str:
    return f" ({100 * low:.1f} to {100 * high:.1f})"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
