"""The report of a sweep, made from its records alone: files in its folder, and a summary for the terminal."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from compression.core.file_names import PAGE, PICTURES, REPORT, RESULTS
from compression.core.sizes import format_size
from compression.core.text import shorten
from compression.reporting.figures import save_figure
from compression.reporting.markdown import escape, to_table
from compression.sweep.jobs import STATUSES
from compression.sweep.report.actual_bits import add_bits, describe_machines
from compression.sweep.report.board_columns import NAME, list_board_rows, list_columns, write_percent
from compression.sweep.report.board_pictures import update_pictures
from compression.sweep.report.dense_models import DenseModel, list_dense_models
from compression.sweep.report.dense_rows import make_dense_rows
from compression.sweep.report.fronts import Front, make_fronts
from compression.sweep.report.hparams_rows import update_hparams
from compression.sweep.report.job_table import define_columns, is_varying, make_rows, to_csv
from compression.sweep.report.leaderboard import Configuration, Ranking, describe_kind, rank_sweep
from compression.sweep.report.picks import TIES, Pick, describe_tie, make_picks
from compression.sweep.report.points_lost import describe_loss
from compression.sweep.report.pooled_classes import PooledClasses
from compression.sweep.report.records import JobRecord, SweepRecord, read_records
from compression.sweep.report.seeds import Sample
from compression.sweep.report.sweep_page import write_sweep_html
from compression.sweep.report.sweep_pictures import draw_sweep
from compression.system.files import write_atomic

SCHEMA_VERSION = 1
_FILES = (PAGE, REPORT, RESULTS, "results.json", "summary.yaml")
# Rows in texts that people read. The CSV and JSON files have all rows.
MAX_IN_REPORT, MAX_IN_SUMMARY, MAX_ON_SCREEN = 100, 20, 12


@dataclass(frozen=True)
class SweepResult:
    """The result of `aggregate`: ranked configurations, picks and fronts. Print it with ``to_rich()``."""

    ranking: Ranking
    picks: tuple[Pick, ...]
    fronts: Mapping[str, Front]

    @property
    def unfinished(self) -> list[JobRecord]:
        """The jobs without measured numbers, each with its reason."""
        return self.ranking.unfinished

    def to_rich(self) -> Group:
        """Return the best configurations, the picks with their rules, and the jobs without numbers."""
        notes = [f"note: {note}" for note in list_notes(self.ranking)]
        lines = [*_describe_classes(self.ranking, MAX_ON_SCREEN), *notes, *self._lines(MAX_ON_SCREEN, markdown=False)]
        return Group(_to_rich_table(self.ranking, MAX_ON_SCREEN), *map(Text, lines))

    def _lines(self, most: int, *, markdown: bool) -> list[str]:
        return [
            "",
            *_describe_picks(self.picks, self.ranking, markdown=markdown),
            "",
            *_describe_fronts(self.fronts),
            *_describe_unfinished(self.unfinished, most),
            f"in {self.ranking.sweep.folder}: {', '.join(_FILES)}, {PICTURES}/",
        ]


def aggregate(folder: Path) -> SweepResult:
    """Write ``results.csv``, ``results.json``, ``summary.yaml``, both reports and pictures, even if jobs failed.

    The jobs' rows in TensorBoard are updated to agree with the table, and the pictures are shown there too. Raises
    ``InputError`` if the folder has no jobs.
    """
    result = make_result(read_records(Path(folder)))
    ranking = result.ranking
    rows, columns = make_rows(ranking), define_columns(ranking)
    folder = ranking.sweep.folder
    figures = draw_sweep(ranking, fronts=dict(result.fronts), picks=result.picks)
    pictures = {name: folder / PICTURES / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        save_figure(figure, pictures[name])
    summary = make_summary(result)
    document = {"columns": columns, "varying": [key for key in columns if is_varying(key)], "jobs": rows, **summary}
    write_atomic(folder / RESULTS, to_csv([*rows, *make_dense_rows(ranking)], columns=list(columns)).encode())
    write_atomic(folder / "results.json", (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    short = {**summary, "leaderboard": summary["leaderboard"][:MAX_IN_SUMMARY]}
    write_atomic(folder / "summary.yaml", yaml.safe_dump(short, sort_keys=False, allow_unicode=True).encode())
    write_atomic(folder / REPORT, to_markdown(result, columns).encode())
    write_html(result)
    update_hparams(folder, rows)
    update_pictures(ranking.sweep, pictures)
    return result


def make_result(sweep: SweepRecord) -> SweepResult:
    """Return the ranked configurations, picks and fronts of a sweep's records. Nothing is written."""
    ranking = rank_sweep(sweep)
    return SweepResult(ranking, tuple(make_picks(ranking)), make_fronts(ranking))


def write_html(result: SweepResult) -> Path:
    """Write the page ``report.html`` of a sweep into its folder and return its path."""
    ranking = result.ranking
    notes = [describe_ties(ranking), *(f"Note: {note}." for note in list_notes(ranking))]
    return write_sweep_html(ranking, picks=result.picks, fronts=result.fronts, notes=notes)


def make_summary(result: SweepResult) -> dict[str, Any]:
    """Return the summary as plain data, without the table of jobs. Configurations are in the order of their rank."""
    ranking = result.ranking
    counts = Counter(job.status for job in ranking.sweep.jobs)
    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": ranking.sweep.folder.resolve().name,
        "command": list(ranking.sweep.command),
        "axes": {key: list(values) for key, values in ranking.sweep.axes.items()},
        "notes": list_notes(ranking),
        "counts": {status: counts[status] for status in STATUSES if counts[status]},
        "chosen_by": f"val_{ranking.monitor}" if ranking.validated else ranking.monitor,
        "seed_noise": None
        if ranking.noise is None
        else {"deviation_points": 100 * ranking.noise.deviation, "degrees_of_freedom": ranking.noise.freedom},
        "picks": [_pick_to_json(ranking, pick) for pick in result.picks],
        "fronts": {
            against: {
                "members": [one.job.name for one in front.members],
                "unbeaten_baselines": [one.job.name for one in front.unbeaten_baselines],
            }
            for against, front in result.fronts.items()
        },
        "dense": [_dense_to_json(ranking, one) for one in list_dense_models(ranking)] if ranking.configurations else [],
        "leaderboard": [_configuration_to_json(ranking, one) for one in ranking.configurations],
        "unfinished": [{"job": job.name, "status": job.status, "reason": job.reason} for job in result.unfinished],
    }


def to_markdown(result: SweepResult, columns: Mapping[str, str]) -> str:
    """Return the content of ``report.md``. ``columns`` are the columns of ``results.csv`` with their definitions."""
    ranking = result.ranking
    board = list_columns(ranking)
    rows = list_board_rows(ranking, board, most=MAX_IN_REPORT)
    lines = [f"# {escape(ranking.sweep.folder.resolve().name)}", "", _describe_counts(ranking), ""]
    lines += [f"Note: {escape(note)}.\n" for note in list_notes(ranking)]
    lines += ["## Picks", "", *_describe_picks(result.picks, ranking, markdown=True), ""]
    texts = [index for index, column in enumerate(board) if column.is_text]
    cells = [[escape(cell.text) for cell in row.cells] for row in rows]
    lines += ["## Leaderboard", "", *to_table([column.name for column in board], cells, left=texts)]
    more = len(ranking.configurations) - MAX_IN_REPORT
    lines += ["", *([f"And {more:,} more, in results.csv.", ""] if more > 0 else []), describe_ties(ranking), ""]
    lines += ["## Fronts", "", *(f"- {escape(line)}" for line in _describe_fronts(result.fronts)), ""]
    lines += [f"![{name.replace('_', ' ')}]({PICTURES}/{name}.png)\n" for name in _picture_names(result)]
    if result.unfinished:
        shown = result.unfinished[:MAX_IN_REPORT]
        unfinished = [(escape(job.name), job.status, escape(job.reason or "")) for job in shown]
        lines += ["## Jobs without numbers", "", *to_table(("job", "status", "reason"), unfinished, left=range(3))]
        more = len(result.unfinished) - MAX_IN_REPORT
        lines += ["", *([f"And {more:,} more, in results.csv.", ""] if more > 0 else [])]
    definitions = [(f"`{key}`", escape(what)) for key, what in columns.items()]
    lines += ["## Columns of results.csv", "", *to_table(("column", "what"), definitions, left=range(2))]
    return "\n".join(lines) + "\n"


def list_notes(ranking: Ranking) -> list[str]:
    """Return notes on the records, on bits that the processor took, and on jobs of several machines."""
    return [*ranking.sweep.notes, *describe_machines(ranking.sweep.finished)]


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


def _describe_classes(ranking: Ranking, most: int) -> list[str]:
    """Return a line for each of the first ``most`` configurations; none unless classes are stressed."""
    shown = ranking.configurations[:most] if ranking.stresses_classes else ()
    return [f"{one.label}: {one.pooled.describe()}" for one in shown if one.pooled is not None]


def _describe_folds(ranking: Ranking) -> str:
    if ranking.repeats_name == "seeds":
        return ""
    return (
        " Folds share training images, so their interval is approximate. Balanced accuracy and worst class are over "
        "the test images of all folds together, each image once, with the intervals of a single run."
    )


def format_sample(sample: Sample | None) -> str:
    """Return a sample in percent, e.g. ``97.21 ± 0.35 % (3)`` with the number of seeds in brackets; ``-`` for None."""
    if sample is None:
        return "-"
    return f"{write_percent(sample)} %" + (f" ({sample.num})" if sample.num > 1 else "")


def _describe_counts(ranking: Ranking) -> str:
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


def _describe_picks(picks: Sequence[Pick], ranking: Ranking, *, markdown: bool) -> list[str]:
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
    choice = f"{_describe_choice(ranking)} {_describe_tie_rule(ranking)}"
    return [*lines, "", choice] if markdown else [*lines, choice]


def _describe_tie_rule(ranking: Ranking) -> str:
    return TIES.replace("accuracy", ranking.score_name)


def _describe(one: Configuration) -> str:
    latency = "" if one.latency is None else f", {one.latency.milliseconds:.3g} ms ({one.latency.engine})"
    kind = f" (baseline: {describe_kind(one.kind)})" if one.is_baseline else ""
    val = f"{format_sample(one.val)} validation, " if one.val is not None else ""
    return (
        f"{one.job.name}{kind}, {val}{format_sample(one.test)} test ({describe_loss(one.test_drop)})"
        f"{add_bits(one.measured)}, {format_size(one.measured.bytes)}, {one.ratio:.2f}x{latency}"
    )


def _describe_fronts(fronts: Mapping[str, Front]) -> list[str]:
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


def _describe_unfinished(jobs: Sequence[JobRecord], most: int) -> list[str]:
    lines = [f"{job.status}: {job.name}" + (f" ({job.reason})" if job.reason else "") for job in jobs[:most]]
    if len(jobs) > most:
        lines.append(f"and {len(jobs) - most:,} more without numbers")
    return ["", *lines, ""] if lines else [""]


def _to_rich_table(ranking: Ranking, top: int) -> Table:
    table = Table(title=Text(_describe_counts(ranking)), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    columns = [column for column in list_columns(ranking) if column.short]
    for column in columns:
        is_name = column.name == NAME
        # In a narrow terminal only the names of configurations wrap. The line above the table names the score.
        table.add_column(
            column.short or column.name,
            justify="left" if column.is_text else "right",
            no_wrap=not is_name,
            min_width=16 if is_name else None,
            overflow="fold",
        )
    for row in list_board_rows(ranking, columns, most=top):
        table.add_row(*(Text(cell.text) for cell in row.cells))
    if len(ranking.configurations) > top:
        table.caption = Text(f"and {len(ranking.configurations) - top:,} more, in report.md and results.csv")
    return table


def _pick_to_json(ranking: Ranking, pick: Pick) -> dict[str, Any]:
    return {
        "title": pick.title,
        "rule": f"{pick.rule}. {_describe_tie_rule(ranking)}",
        "job": None if pick.chosen is None else pick.chosen.job.name,
        "reason": pick.reason,
        "tie": None if pick.chosen is None else describe_tie(pick.chosen, pick.tied),
        "tied_with": [one.job.name for one in pick.tied],
        "baseline": pick.chosen is not None and pick.chosen.is_baseline,
        "best_of_grid": None if pick.of_grid is None else pick.of_grid.job.name,
    }


def _configuration_to_json(ranking: Ranking, one: Configuration) -> dict[str, Any]:
    return {
        "place": one.place,
        "tied": one.tied,
        "configuration": one.label,
        "kind": one.kind,
        "axes": dict(one.axes),
        "ship": one.job.name,
        "seeds": one.num_jobs,
        "seeds_planned": one.num_planned,
        f"val_{ranking.monitor}": _sample_to_json(one.val),
        ranking.monitor: _sample_to_json(one.test),
        "drop_points": one.test_drop,
        "arithmetic": list(one.actual),
        "sparsity": one.measured.sparsity,
        "bytes": one.measured.bytes,
        "compression_ratio": one.ratio,
        "latency_ms": one.milliseconds,
        "latency_engine": one.engine,
        "speedup": one.speedup,
        **({"pooled": _pooled_to_json(one.pooled)} if ranking.shows_classes else {}),
    }


def _dense_to_json(ranking: Ranking, one: DenseModel) -> dict[str, Any]:
    return {
        "model": one.label,
        "seeds": one.num,
        f"val_{ranking.monitor}": _sample_to_json(one.val),
        ranking.monitor: _sample_to_json(one.test),
        "bytes": one.bytes,
        "latency_ms": one.milliseconds,
        "latency_engine": one.engine,
    }


def _pooled_to_json(pooled: PooledClasses | None) -> dict[str, Any] | None:
    """Return the figures by class over the test images of all folds, each image once."""
    if pooled is None:
        return None
    return {
        "test_images": pooled.images,
        "accuracy": pooled.accuracy._asdict(),
        "balanced_accuracy": pooled.balanced._asdict(),
        "worst_class": {"name": pooled.worst_name, **pooled.worst._asdict()},
    }


def _sample_to_json(sample: Sample | None) -> dict[str, Any] | None:
    return None if sample is None else {"mean": sample.mean, "half_width": sample.half_width, "seeds": sample.num}


def _picture_names(result: SweepResult) -> list[str]:
    return [*(f"pareto_{against}" for against in result.fronts), "parallel_coordinates", "accuracy_steps"]
