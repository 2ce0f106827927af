"""Sentences that every form of a sweep's report shares: what was counted, chosen and tied."""

from collections import Counter
from collections.abc import Mapping, Sequence

from compression.core.sizes import format_size
from compression.core.text import shorten
from compression.reporting.markdown import escape
from compression.sweep.jobs import STATUSES
from compression.sweep.report.actual_bits import add_bits, describe_machines
from compression.sweep.report.board_columns import write_percent
from compression.sweep.report.configuration_labels import describe_kind
from compression.sweep.report.fronts import Front
from compression.sweep.report.picks import TIES, Pick, describe_tie
from compression.sweep.report.points_lost import describe_loss
from compression.sweep.report.seeds import Sample
from compression.sweep.report.sweep_ranking import Configuration, Ranking


def list_notes(ranking: Ranking) -> list[str]:
    """Return notes on the records, on different images, on bits that the processor took, and on several machines."""
    images = [f"{ranking.incomparable}; there are no picks and no fronts"] if ranking.incomparable else []
    return [*ranking.sweep.notes, *images, *describe_machines(ranking.sweep.finished)]


def describe_counts(ranking: Ranking) -> str:
    """Return the number of jobs by status, of configurations and of seeds, and the score that choices are made by."""
    counts = Counter(job.status for job in ranking.sweep.jobs)
    parts = [f"{counts[status]:,} {status}" for status in STATUSES if counts[status]]
    seeds = max((one.num_jobs for one in ranking.configurations), default=0)
    text = f"{len(ranking.sweep.jobs):,} jobs: {', '.join(parts)}. {len(ranking.configurations):,} configurations"
    text += f", up to {seeds} {ranking.repeats_name} each. " if seeds > 1 else ". "
    text += _describe_choice(ranking)
    left_out = len(ranking.sweep.finished) - sum(one.num_jobs for one in ranking.configurations)
    return f"{text} {left_out:,} jobs without validation accuracy are only in the table." if left_out else text


def _describe_choice(ranking: Ranking) -> str:
    if ranking.validated:
        return (
            f"Choices are made by {ranking.score_name} on held-out training images; test {ranking.score_name} is "
            "reported beside it."
        )
    return (
        f"No validation {ranking.score_name} was recorded: choices are made by test {ranking.score_name}, which "
        "flatters what is chosen."
    )


def describe_ties(ranking: Ranking) -> str:
    """Return a paragraph that explains what a shared place means in this sweep."""
    if ranking.noise is None:
        several = any(one.num_jobs > 1 for one in ranking.configurations)
        which = "No configuration of the grid near the best has several seeds" if several else "One seed each"
        return f"{which}: the noise between seeds is unknown, so only equal numbers share a place."
    return (
        "Configurations share a place (=) if their difference from the first of the place may be noise of the seed: "
        "zero lies in its 95 % interval (Welch's; for a single seed with the deviation pooled over the grid without "
        f"collapsed models, {100 * ranking.noise.deviation:.2f} points, {ranking.noise.freedom} degrees of freedom). "
        f"± is half the 95 % t-interval of the mean over {ranking.repeats_name}.{_describe_folds(ranking)}"
    )


def _describe_folds(ranking: Ranking) -> str:
    if ranking.repeats_name == "seeds":
        return ""
    return (
        " Folds share training images, so their interval is approximate. Balanced accuracy and worst class are over "
        "the test images of all folds together, each image once, with the intervals of a single run."
    )


def describe_picks(picks: Sequence[Pick], ranking: Ranking, *, markdown: bool) -> list[str]:
    """Return a line for each pick with its rule, then how picks are chosen; as a Markdown list or as plain text."""
    lines = []
    for pick in picks:
        title = f"- **{pick.title}**" if markdown else pick.title
        if pick.chosen is None:
            lines.append(f"{title}: none; {pick.reason}. Rule: {pick.rule}.")
            continue
        tie = describe_tie(pick.chosen, pick.tied)
        text = f"{_describe(pick.chosen)}{f'; {tie}' if tie else ''}. Rule: {pick.rule}."
        lines.append(f"{title}: {escape(text) if markdown else text}")
        if pick.of_grid is not None:
            text = f"It is a baseline; the best of the sweep's grid is {_describe(pick.of_grid)}."
            lines.append(f"  {escape(text) if markdown else text}")
    choice = f"{_describe_choice(ranking)} {describe_tie_rule(ranking)}"
    return [*lines, "", choice] if markdown else [*lines, choice]


def _describe(one: Configuration) -> str:
    latency = "" if one.latency is None else f", {one.latency.milliseconds:.3g} ms ({one.latency.engine})"
    kind = f" (baseline: {describe_kind(one.kind)})" if one.is_baseline else ""
    val = f"{_format_sample(one.val)} validation, " if one.val is not None else ""
    return (
        f"{one.job.name}{kind}, {val}{_format_sample(one.test)} test ({describe_loss(one.test_drop)})"
        f"{add_bits(one.measured)}, {format_size(one.measured.bytes)}, {one.ratio:.2f}x{latency}"
    )


def describe_tie_rule(ranking: Ranking) -> str:
    """Return the rule for configurations that the noise does not separate, with the score of this sweep."""
    return TIES.replace("accuracy", ranking.score_name)


def _format_sample(sample: Sample | None) -> str:
    """Return a sample in percent, e.g. ``97.21 ± 0.35 % (3)`` with the number of seeds in brackets; ``-`` for None."""
    if sample is None:
        return "-"
    return f"{write_percent(sample)} %" + (f" ({sample.num})" if sample.num > 1 else "")


def describe_fronts(fronts: Mapping[str, Front]) -> list[str]:
    """Return a line for each front that is not empty: its members, and the baselines that it does not beat."""
    lines = []
    for against, front in fronts.items():
        if not front.members and not front.unbeaten_baselines:
            continue
        shown = shorten([one.label for one in front.members], limit=6)
        engines = dict.fromkeys(one.engine for one in front.members if one.engine) if against == "latency" else {}
        fastest = f" in the fastest engine ({', '.join(engines)})" if engines else ""
        lines.append(f"front against {against}{fastest}: {shown or 'none of the grid'}")
        if front.unbeaten_baselines:
            baselines = [f"{one.label} ({100 * one.score.mean:.1f} %)" for one in front.unbeaten_baselines]
            lines[-1] += f"; not beaten by it: {shorten(baselines, limit=4)}"
    if any(len({one.place for one in front.members}) < len(front.members) for front in fronts.values()):
        lines.append("members of a front that share a place of the leaderboard (=) differ in cost alone")
    return lines
