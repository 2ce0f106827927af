"""One sentence that says whether two models differ by more than chance, and which classes lose."""

from collections.abc import Sequence

from compression.analysis.intervals import Interval
from compression.analysis.paired_comparison import ClassChange

SIGNIFICANCE = 0.05
_MAX_NAMED = 3


def write_verdict(
    change: Interval, *, p_value: float, classes: Sequence[ClassChange], class_names: Sequence[str]
) -> str:
    """Return the verdict on a difference of accuracies; ``classes`` are in the order of ``compare_classes``.

    A difference counts as more than chance if the p-value of McNemar's exact test is below ``SIGNIFICANCE``; for a
    class, the corrected p-value.
    """
    worsened, improved = sum(one.worsened for one in classes), sum(one.improved for one in classes)
    if not worsened + improved:
        return "Both models are right on exactly the same images."
    losers = _name_losers(classes, class_names)
    limits = f"95 % interval {100 * change.low:+.2f} to {100 * change.high:+.2f}"
    if worsened == improved:
        flips = f"{worsened:,} worsened and as many improved"
        return f"The number of correct images is the same ({flips}; {limits} points); {losers}."
    moved = f"Accuracy {'falls' if change.value < 0 else 'rises'} by {abs(100 * change.value):.2f} points"
    chance = "more than chance explains" if p_value < SIGNIFICANCE else "which chance can explain"
    return f"{moved} ({limits}), {chance} (McNemar p {format_p(p_value)}); {losers}."


def format_p(p_value: float) -> str:
    """Return e.g. ``= 0.034``, or ``< 0.0001``."""
    if p_value < 0.0001:
        return "< 0.0001"
    return f"= {p_value:.4f}" if p_value < 0.001 else f"= {p_value:.3f}" if p_value < 0.1 else f"= {p_value:.2f}"


def _name_losers(classes: Sequence[ClassChange], class_names: Sequence[str]) -> str:
    losers = [one for one in classes if one.change.value < 0 and one.p_corrected < SIGNIFICANCE]
    if not losers:
        return "no single class loses more than chance explains"
    names = [f"{class_names[one.index]} ({100 * one.change.value:+.1f} points)" for one in losers[:_MAX_NAMED]]
    rest = len(losers) - len(names)
    if rest:
        names.append(f"{rest:,} more {'class' if rest == 1 else 'classes'}")
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} {'loses' if len(losers) == 1 else 'lose'} more than chance explains"
