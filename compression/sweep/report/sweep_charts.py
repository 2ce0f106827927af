"""The charts of a sweep's page: fronts, parallel coordinates, accuracy over pruning steps."""

from collections.abc import Mapping, Sequence

from compression.core.sizes import format_size
from compression.reporting.page.brushed_axes import BrushedAxis, BrushedLine, make_brushed_spec
from compression.reporting.page.cost_chart import CostPoint, make_cost_spec
from compression.reporting.page.line_chart import Series, make_line_spec
from compression.reporting.page.page_blocks import Chart
from compression.sweep.report.board_columns import write_percent
from compression.sweep.report.configuration_labels import describe_kind
from compression.sweep.report.fronts import COSTS, Front
from compression.sweep.report.picks import Pick
from compression.sweep.report.records import REPEATS, RUN
from compression.sweep.report.sweep_pictures import find_floor, list_dense_points, list_prunings, make_coordinates
from compression.sweep.report.sweep_ranking import Configuration, Ranking

_KIB = 2**10
_NAMES = {"sparsity": "sparsity of weights, %", "bytes": "file, KiB, log scale"}
_WIDE = 760


def draw_front_charts(ranking: Ranking, fronts: Mapping[str, Front], picks: Sequence[Pick]) -> list[Chart]:
    """Return a chart of accuracy against each cost that is known."""
    charts = []
    accuracy = f"{'validation' if ranking.validated else 'test'} {ranking.score_name}, %"
    names = {**_NAMES, "latency": f"latency, ms per batch of {ranking.batch_size}, log scale"}
    for against, front in fronts.items():
        points = [
            _make_point(against, index, one, picks)
            for index, one in enumerate(ranking.configurations)
            if COSTS[against](one) is not None
        ]
        # The grid comes first, so that it gets the first colour.
        points.sort(key=lambda point: point.group not in ("grid", "runs"))
        if not points:
            continue
        on_front = {id(one) for one in front.members}
        members = [index for index, one in enumerate(ranking.configurations) if id(one) in on_front]
        spec = make_cost_spec(
            points,
            front=members,
            dense=[(_scale(against, x), y) for x, y in list_dense_points(ranking, against)],
            cost=names[against],
            accuracy=accuracy,
            log=against != "sparsity",
            fewer_is_better=against != "sparsity",
        )
        first = ", ".join(ranking.configurations[index].label for index in members[:8])
        described = f"{len(points)} configurations, accuracy against {against}; on the front: {first or 'none'}"
        charts.append(Chart(f"front-{against}", f"Accuracy against {against}", described, spec))
    return charts


def _make_point(against: str, index: int, one: Configuration, picks: Sequence[Pick]) -> CostPoint:
    return CostPoint(
        id=index,
        x=_scale(against, abs(COSTS[against](one) or 0.0)),
        y=100 * one.score.mean,
        name=one.label,
        group=describe_kind(one.kind) if one.is_baseline else "runs" if one.kind == RUN else "grid",
        half_width=None if one.score.half_width is None else 100 * one.score.half_width,
        facts=_list_facts(one),
        notes=[pick.title for pick in picks if pick.chosen is one],
    )


def _scale(against: str, cost: float) -> float:
    return cost / _KIB if against == "bytes" else 100 * cost if against == "sparsity" else cost


def _list_facts(one: Configuration) -> dict[str, str]:
    facts = {"place": f"{'=' if one.tied else ''}{one.place}", "accuracy": f"{write_percent(one.score)} %"}
    facts |= {"test": f"{write_percent(one.test)} %", "file": f"{format_size(one.measured.bytes)}, {one.ratio:.1f}x"}
    if one.latency is not None:
        facts["latency"] = f"{one.latency.milliseconds:.3g} ms, {one.engine}"
    return facts


def draw_parallel_chart(ranking: Ranking, picks: Sequence[Pick]) -> Chart:
    """Return the parallel coordinates of all configurations, with a brush on every axis."""
    # Imported late: the module imports matplotlib.
    from compression.reporting.figures.parallel_coordinates import place_values

    shown, floor = ranking.configurations, find_floor(ranking)
    axes = []
    for coordinate in make_coordinates(ranking):
        heights, marks = place_values(coordinate)
        known = [None if value != value else float(value) for value in heights]
        axes.append(
            BrushedAxis(coordinate.name.removesuffix(", log"), known, [(float(at), text) for at, text in marks])
        )
    scores = [max(100 * one.score.mean, floor or 0.0) for one in shown]
    low, high = min(scores), max(scores)
    lines = [
        BrushedLine(
            index,
            one.label,
            (score - low) / (high - low) if high > low else 1.0,
            _list_facts(one),
            is_pick=any(pick.chosen is one for pick in picks),
        )
        for index, (one, score) in enumerate(zip(shown, scores, strict=True))
    ]
    caption = (
        "One line per configuration, from orange (lowest accuracy) to blue (highest); the picks are thick. Drag along "
        "an axis to keep the lines that pass there, click the axis to let go. The limits above the leaderboard do the "
        "same by keyboard."
    )
    names = ", ".join(axis.name.replace("\n", " ") for axis in axes)
    described = f"Parallel coordinates of {len(shown)} configurations over {names}; the leaderboard has the numbers"
    return Chart(
        "parallel", "Parallel coordinates.", described, make_brushed_spec(axes, lines), caption=caption, wide=True
    )


def draw_steps_chart(ranking: Ranking) -> Chart | None:
    """Return the accuracy over pruning steps, one line per pruning; None if no step is on record."""
    at = {job: index for index, one in enumerate(ranking.configurations) for job in _list_jobs_of(ranking, one)}
    series = []
    for pruning in list_prunings(ranking):
        run = pruning.run
        assert run.unpruned_val_accuracy is not None
        points = [(0.0, 100 * run.unpruned_val_accuracy)]
        points += [(float(step.step), 100 * step.accuracy) for step in run.steps if step.accuracy is not None]
        ids = sorted({at[job.name] for job in pruning.jobs if job.name in at})
        series.append(Series(pruning.label, points, dashed=pruning.is_baseline, ids=ids))
    if not series:
        return None
    spec = make_line_spec(
        series, x="pruning step (0: the dense model)", y="validation accuracy after recovery, %", width=_WIDE
    )
    described = f"Validation accuracy of {len(series)} prunings over pruning steps, from the dense model on"
    caption = "One line per pruning; jobs that share it differ only in what follows. Baselines are dashed."
    return Chart("steps", "Accuracy over steps.", described, spec, caption=caption, wide=True)


def _list_jobs_of(ranking: Ranking, one: Configuration) -> list[str]:
    """Return the names of the finished jobs that differ from the configuration's job only in seed or fold."""
    return [
        job.name
        for job in ranking.sweep.finished
        if job.kind == one.kind and {key: value for key, value in job.axes.items() if key not in REPEATS} == one.axes
    ]
