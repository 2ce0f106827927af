"""The page ``report.html`` of a sweep: leaderboard, fronts, parallel coordinates, accuracy over steps, all jobs."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from compression.core.file_names import PAGE
from compression.core.sizes import format_size
from compression.reporting.page.page_blocks import Block, Cell, Code, Details, Gallery, Page, Section, Table, Text
from compression.reporting.page.rendering import render_page
from compression.reporting.result_table import format_ratio
from compression.sweep.report.board_columns import knows_arithmetic, name_lost, name_score, name_test, write_percent
from compression.sweep.report.configuration_labels import describe_kind
from compression.sweep.report.dense_models import list_dense_models
from compression.sweep.report.fronts import Front
from compression.sweep.report.picks import Pick
from compression.sweep.report.points_lost import describe_loss, write_loss
from compression.sweep.report.sweep_board import describe_row, find_file, list_board, make_controls
from compression.sweep.report.sweep_charts import draw_front_charts, draw_parallel_chart, draw_steps_chart
from compression.sweep.report.sweep_ranking import Configuration, Ranking
from compression.system.files import write_atomic

# The pick that the verdict names.
BALANCED = "best balanced"
# Jobs beyond these have no row in the page.
_MAX_JOBS = 2_000
_FRONT = "The orange line is the front: no other configuration of the grid is better in both. "
_DENSE = "Diamond: dense model."


def write_sweep_html(
    ranking: Ranking, *, picks: Sequence[Pick], fronts: Mapping[str, Front], notes: Sequence[str]
) -> Path:
    """Write the page of a sweep into its folder and return its path. ``notes`` are sentences about the ranking."""
    path = ranking.sweep.folder / PAGE
    write_atomic(path, render_page(make_sweep_page(ranking, picks=picks, fronts=fronts, notes=notes)))
    return path


def make_sweep_page(
    ranking: Ranking, *, picks: Sequence[Pick], fronts: Mapping[str, Front], notes: Sequence[str]
) -> Page:
    """Return the page. Links lead to files of jobs that exist now."""
    shown = ranking.configurations
    legend = _DENSE if ranking.incomparable else _FRONT + _DENSE
    sections = []
    if shown:
        sections = [
            Section("leaderboard", "Leaderboard", [make_controls(ranking), list_board(ranking), *map(Text, notes)]),
            Section(
                "fronts", "Accuracy against cost", [Text(legend), Gallery(draw_front_charts(ranking, fronts, picks))]
            ),
            Section("settings", "Settings and results", [draw_parallel_chart(ranking, picks)]),
        ]
        steps = draw_steps_chart(ranking)
        sections += [Section("steps", "Accuracy over pruning steps", [steps])] if steps else []
    sections.append(Section("jobs", "Jobs", _list_jobs(ranking)))
    sections.append(Section("making", "How it was made", [_list_commands(ranking)]))
    return Page(
        kicker="Report of a sweep",
        title=ranking.sweep.folder.resolve().name,
        verdict=_describe(ranking, picks),
        headline=_list_picks(ranking, picks) if shown else None,
        sections=sections,
        rows=[describe_row(ranking, index, one) for index, one in enumerate(shown)],
    )


def _describe(ranking: Ranking, picks: Sequence[Pick]) -> list[str]:
    jobs, finished = len(ranking.sweep.jobs), len(ranking.sweep.finished)
    counts = f"{finished:,} of {jobs:,} jobs have finished, {len(ranking.configurations):,} configurations."
    chosen = next((pick for pick in picks if pick.title == BALANCED), None)
    if chosen is None or chosen.chosen is None:
        reason = "" if chosen is None or chosen.reason is None else f": {chosen.reason}"
        return [f"There is no configuration to recommend{reason}.", counts]
    one = chosen.chosen
    kind = f", a baseline ({describe_kind(one.kind)})," if one.is_baseline else ""
    speed = "" if one.speedup is None else f" It runs {one.speedup:.2f}x as fast as the dense model ({one.engine})."
    accuracy = f"{describe_loss(one.test_drop)} of test {ranking.score_name} ({write_percent(one.test)} %)"
    verdict = (
        f"The best balance of size and accuracy is {one.label}{kind}: {_describe_size(one)} the dense model "
        f"({format_size(one.measured.bytes)}), {accuracy}.{speed}"
    )
    by = "on held-out training images" if ranking.validated else "on test images, which flatters what is chosen"
    return [verdict, f"{counts} Choices are made by {ranking.score_name} {by}."]


def _describe_size(one: Configuration) -> str:
    ratio = format_ratio(one.ratio, "smaller", "larger")
    return "as large as" if ratio == "same" else f"{ratio} than"


def _list_picks(ranking: Ranking, picks: Sequence[Pick]) -> Table:
    rows: list[list[Cell | str]] = []
    arithmetic = ["float32"] if knows_arithmetic(ranking) else []
    for pick in picks:
        one = pick.chosen
        if one is None:
            rows.append([pick.title, f"none: {pick.reason}", *([""] * (6 + len(arithmetic)))])
            continue
        rows.append(
            [
                pick.title,
                Cell(one.label, href=find_file(ranking, one.job.name, PAGE)),
                write_percent(one.score),
                write_percent(one.test),
                *([" / ".join(one.actual)] if arithmetic else []),
                write_loss(one.test_drop),
                format_size(one.measured.bytes),
                f"{one.ratio:.2f}x",
                "-" if one.latency is None else f"{one.latency.milliseconds:.3g}",
            ]
        )
    for dense in list_dense_models(ranking):
        latency = "-" if dense.milliseconds is None else f"{dense.milliseconds:.3g}"
        scores = write_percent(dense.score), write_percent(dense.test)
        size = format_size(dense.bytes)
        rows.append(["dense model", dense.label, *scores, *arithmetic, "0.00", size, "1.00x", latency])
    columns = (
        "pick",
        "configuration",
        name_score(ranking),
        name_test(ranking),
        *(["arithmetic"] if arithmetic else []),
        name_lost(ranking, by_test=True),
        "file",
        "ratio",
        "latency, ms",
    )
    return Table("Three picks, and the dense model", columns, rows, words=("configuration", "arithmetic"))


def _list_jobs(ranking: Ranking) -> list[Block]:
    blocks: list[Block] = []
    if ranking.unfinished:
        rows = [[job.name, job.status, job.reason or ""] for job in ranking.unfinished[:_MAX_JOBS]]
        table = Table("Jobs without numbers", ("job", "status", "reason"), rows, words=("status", "reason"))
        blocks.append(table)
    finished: list[list[Cell | str]] = [
        [
            Cell(job.name, href=find_file(ranking, job.name, PAGE)),
            f"{100 * job.measured.accuracy:.2f}",
            f"{job.measured.bytes:,}",
            "-" if job.seed is None else f"{job.seed}",
            "-" if job.seconds is None else f"{job.seconds:,.0f}",
        ]
        for job in ranking.sweep.finished[:_MAX_JOBS]
        if job.measured is not None
    ]
    columns = ("job", "test, %", "bytes", "seed", "seconds")
    title = f"All {len(ranking.sweep.finished):,} jobs with numbers"
    blocks.append(Details(title, [Table("Jobs with numbers; results.csv has every column", columns, finished)]))
    return blocks


def _list_commands(ranking: Ranking) -> Code:
    lines = ["python -m compression report . --html  # this page, in this folder"]
    if ranking.sweep.command:
        first, *words = ranking.sweep.command
        script = ["-m", "compression"] if first.endswith("compression") or "__main__" in first else [first]
        lines.insert(0, shlex.join(["python", *script, *words]))
    return Code("Commands that make this sweep and this page again", "\n".join(lines))
