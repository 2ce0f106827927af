"""The text of failure_mode_report.txt, from the document of failure modes."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compression.analysis.verdict import SIGNIFICANCE, format_p
from compression.core.errors import printable

MAX_CLASSES = 10
MAX_LOSERS = 6
MAX_CONFUSIONS = 5
MAX_LAYERS = 5
_NAME = 24
_GROUP_WORDS = {"within": "within a group", "between": "between groups", "outside": "with a class in no group"}


def write_failure_report(document: Mapping[str, Any]) -> str:
    """Return the report on the last model of a document of ``combine_failure_modes``: plain text, below 80 lines."""
    *_, (name, model) = document["models"].items()
    parts = [
        _headline(name, document["models"]),
        _describe_classes(model),
        _describe_confusions(model),
        _describe_confidence(model["confidence"]),
        _describe_change(document["change"], next(iter(document["models"]))),
        _describe_layers(document["layers"]),
        _describe_robustness(document["robustness"]),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines) + "\n"


def _headline(name: str, models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    title = f"Failure modes: {_shorten(name, 40)}"
    yield title
    yield "=" * len(title)
    # The model in question comes first; the one it is compared with below it.
    for label, model in reversed(list(models.items())):
        prefix = f"{_shorten(label, _NAME)}: " if len(models) > 1 else ""
        yield f"{prefix}accuracy {_interval(model['accuracy'])} on {model['test_images']:,} test images"
        yield f"  average class {_interval(model['balanced_accuracy'])}, macro F1 {model['macro_f1']:.3f}"
        if model["not_finite"]:
            yield f"  logits are not finite for {model['not_finite']:,} images"


def _describe_classes(model: Mapping[str, Any]) -> Iterator[str]:
    best, worst = model["best_class"], model["worst_class"]
    tested = [row for row in model["classes"] if row["recall"] is not None]
    yield "Classes"
    yield f"  best   {_shorten(best['name'])} {_interval({**best, 'value': best['recall']})}"
    yield f"  worst  {_shorten(worst['name'])} {_interval({**worst, 'value': worst['recall']})}"
    untested = len(model["classes"]) - len(tested)
    if untested:
        yield f"  {untested:,} of {len(model['classes']):,} classes have no test image"
    yield ""
    shown = sorted(tested, key=lambda row: (row["recall"], -row["images"]))[:MAX_CLASSES]
    choice = f"the {len(shown)} worst of {len(tested):,}" if len(shown) < len(tested) else "worst first"
    yield f"  {f'class ({choice})':<{_NAME + 4}}  images  recall  95 % interval  precision     F1"
    for row in shown:
        limits = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
        cells = f"{100 * row['recall']:>6.1f}  {limits:>13}  {_percent(row['precision']):>9}  {_percent(row['f1']):>5}"
        yield f"  {_shorten(row['name']):<{_NAME + 4}}  {row['images']:>6,}  {cells}"


def _describe_confusions(model: Mapping[str, Any]) -> Iterator[str]:
    yield "Errors"
    if not model["top_confusions"]:
        yield "  no test image is misclassified"
        return
    for row in model["top_confusions"][:MAX_CONFUSIONS]:
        pair = f"{_shorten(row['true'])} predicted as {_shorten(row['predicted'])}"
        yield f"  {pair}: {_images(row['count'])}, {100 * row['share']:.1f} % of the class"
    groups = model["groups"]
    if groups is not None:
        shares = [f"{100 * groups[kind]:.1f} % {words}" for kind, words in _GROUP_WORDS.items() if groups[kind]]
        yield f"  of {groups['errors']:,} errors: {', '.join(shares)}"
        yield f"  groups: {_shorten(', '.join(groups['members']), 80)}"


def _describe_confidence(confidence: Mapping[str, Any]) -> Iterator[str]:
    yield "Confidence"
    if confidence["right"] is not None:
        yield f"  mean of right predictions  {confidence['right']:.3f}"
    if confidence["wrong"] is not None:
        yield f"  mean of wrong predictions  {confidence['wrong']:.3f}"
        yield f"  errors with confidence above 0.9: {confidence['errors_above_0.9']:,} of {confidence['errors']:,}"
    yield f"  expected calibration error {confidence['ece']:.4f} ({len(confidence['bins'])} bins)"
    if confidence["temperature"] is not None:
        limit = "a limit of the search, " if confidence["temperature_at_limit"] else ""
        temperature = f"temperature {confidence['temperature']:.2f} ({limit}fitted on held-out images)"
        yield f"  with {temperature}: {confidence['ece_scaled']:.4f}"


def _describe_change(change: Mapping[str, Any] | None, before: str) -> Iterator[str]:
    if change is None:
        return
    yield f"Change from {_shorten(before)}"
    yield from _wrap(change["verdict"])
    yield f"  {_images(change['worsened'])} right before and wrong now, {change['improved']:,} the reverse"
    losers = [row for row in change["classes"] if row["change"] < 0][:MAX_LOSERS]
    if losers:
        yield ""
        yield f"  {'who paid (worst first)':<{_NAME + 4}}  points  95 % interval  now wrong  now right  corrected p"
    for row in losers:
        limits = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
        mark = " *" if row["p_corrected"] < SIGNIFICANCE else ""
        counts = f"{row['worsened']:>9,}  {row['improved']:>9,}"
        p_value = f"{format_p(row['p_corrected']).removeprefix('= '):>11}{mark}"
        yield f"  {_shorten(row['name']):<{_NAME + 4}}  {100 * row['change']:>+6.1f}  {limits:>13}  {counts}  {p_value}"
    if losers:
        yield f"  * more than chance explains (below {SIGNIFICANCE} after correction for all classes)"
    for row in change["confusions"][:MAX_CONFUSIONS]:
        pair = f"{_shorten(row['true'])} predicted as {_shorten(row['predicted'])}"
        yield f"  {pair}: {row['dense']:,} before, {_images(row['compressed'])} now"


def _describe_layers(layers: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    if not layers:
        return
    yield "Layers with the largest output error (signal-to-noise ratio; lower is worse)"
    for row in layers[:MAX_LAYERS]:
        value = row.get("reason", "no error") if row["snr_db"] is None else f"{row['snr_db']:.1f} dB"
        yield f"  {_shorten(row['name'], 50):<50}  {value}"


def _describe_robustness(robustness: Mapping[str, Any] | None) -> Iterator[str]:
    if not robustness:
        return
    yield "Accuracy of disturbed images, %, by strength"
    for kind, strengths in robustness.items():
        models = list(next(iter(strengths.values())))
        cells = [
            f"{strength}: " + " / ".join(f"{100 * accuracies[model]:.1f}" for model in models)
            for strength, accuracies in strengths.items()
        ]
        yield f"  {kind:<10} {'   '.join(cells)}   ({' / '.join(models)})"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(printable(text), width=98, initial_indent="  ", subsequent_indent="  ")


def _shorten(name: str, limit: int = _NAME) -> str:
    name = printable(" ".join(name.split()))
    return name if len(name) <= limit else f"{name[: limit - 3].rstrip()}..."


def _interval(value: Mapping[str, float]) -> str:
    return f"{100 * value['value']:.2f} % (95 % interval {100 * value['low']:.2f} to {100 * value['high']:.2f})"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
