"""Pictures of a sweep: fronts, parallel coordinates, and accuracy over pruning steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure

from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.figures.accuracy_steps import Course, draw_accuracy_steps
from compression.reporting.figures.parallel_coordinates import Coordinate, draw_parallel_coordinates
from compression.reporting.figures.pareto import Axis, Point, draw_pareto
from compression.reporting.metrics_reader import Measured
from compression.sweep.axis_names import name_keys
from compression.sweep.report.configuration_labels import describe_kind
from compression.sweep.report.dense_models import list_dense_models
from compression.sweep.report.fronts import COSTS, Front
from compression.sweep.report.picks import Pick
from compression.sweep.report.records import REPEATS, RUN, JobRecord
from compression.sweep.report.sweep_ranking import Configuration, Ranking

_KIB = 2**10
# The largest number of axes in the parallel coordinates that can still be read.
MAX_ASKED = 7


def draw_sweep(ranking: Ranking, *, fronts: dict[str, Front], picks: Sequence[Pick]) -> dict[str, Figure]:
    """Return all figures of a sweep, by file name without extension."""
    figures = {f"pareto_{against}": _draw_front(ranking, front, picks) for against, front in fronts.items()}
    figures["parallel_coordinates"] = _draw_parallel(ranking, picks)
    figures["accuracy_steps"] = draw_accuracy_steps(
        make_courses(ranking), title=f"{_name(ranking)}: accuracy over pruning steps"
    )
    return figures


@dataclass(frozen=True)
class Pruning:
    """Jobs that share a prune stage, named by the axes that they have in common and others do not."""

    label: str
    jobs: tuple[JobRecord, ...]

    @property
    def run(self) -> Measured:
        """The numbers of the first of its jobs; all have the same pruning steps."""
        assert self.jobs[0].measured is not None
        return self.jobs[0].measured

    @property
    def is_baseline(self) -> bool:
        """Whether all of its jobs are baselines."""
        return all(job.is_baseline for job in self.jobs)


def make_courses(ranking: Ranking) -> list[Course]:
    """Return one course per pruning. Jobs that share the prune stage share a course, named by their common axes."""
    return [_make_course(pruning) for pruning in list_prunings(ranking)]


def list_prunings(ranking: Ranking) -> list[Pruning]:
    """Return the prunings that recorded their accuracy at steps, each with its jobs, in the order of the jobs."""
    groups: dict[str, list[JobRecord]] = {}
    for job in ranking.sweep.finished:
        run = job.measured
        if run and any(step.accuracy is not None for step in run.steps) and run.unpruned_val_accuracy is not None:
            groups.setdefault(run.stages.get("prune", job.name), []).append(job)
    lists = list(groups.values())
    shared = [_shared_axes(jobs) for jobs in lists]
    # If jobs of one pruning differ in an axis, that axis applies after pruning and cannot distinguish courses.
    before = [
        key for key in ranking.sweep.axes if all(len({repr(job.axes.get(key)) for job in jobs}) == 1 for jobs in lists)
    ]
    varied = [key for key in before if len({repr(values.get(key)) for values in shared}) > 1]
    return [
        Pruning(_name_pruning(jobs, values, varied), tuple(jobs)) for jobs, values in zip(lists, shared, strict=True)
    ]


def _shared_axes(jobs: Sequence[JobRecord]) -> dict[str, Any]:
    first = jobs[0].axes
    return {key: value for key, value in first.items() if all(job.axes.get(key) == value for job in jobs)}


def _name_pruning(jobs: Sequence[JobRecord], shared: dict[str, Any], varied: Sequence[str]) -> str:
    run = jobs[0].measured
    assert run is not None
    names = name_keys(varied)
    label = ", ".join(_describe(names[key], shared[key]) for key in varied if shared.get(key) is not None)
    label = label or (jobs[0].name if len(jobs) == 1 else run.stages.get("prune", jobs[0].name)[:6])
    return f"{describe_kind(jobs[0].kind)} {label}" if all(job.is_baseline for job in jobs) else label


def _describe(axis: str, value: Any) -> str:
    # A word, such as the name of a strategy, needs no name before it.
    return value if isinstance(value, str) else f"{axis} {value}"


def _make_course(pruning: Pruning) -> Course:
    run = pruning.run
    assert run.unpruned_val_accuracy is not None
    known = [(step.step, step.sparsity, step.accuracy) for step in run.steps if step.accuracy is not None]
    return Course(
        label=_escape(pruning.label),
        steps=[0, *(step for step, _, _ in known)],
        sparsity=[0.0, *(sparsity for _, sparsity, _ in known)],
        accuracy=[run.unpruned_val_accuracy, *(accuracy for _, _, accuracy in known)],
        baseline=pruning.is_baseline,
    )


def _draw_front(ranking: Ranking, front: Front, picks: Sequence[Pick]) -> Figure:
    axes = {
        "sparsity": Axis("sparsity of weights, %", "fraction"),
        "bytes": Axis("file on disk, log scale", "bytes"),
        "latency": Axis(
            f"latency in the fastest engine, ms per batch of {ranking.batch_size}, log scale", "milliseconds"
        ),
    }
    shown = [one for one in ranking.configurations if COSTS[front.against](one) is not None]
    # The grid comes first, so that it gets the first colour.
    shown.sort(key=lambda one: (one.is_baseline, one.kind if one.is_baseline else ""))
    index = {id(one): number for number, one in enumerate(shown)}
    name = _name(ranking)
    return draw_pareto(
        [
            Point(
                x=abs(COSTS[front.against](one) or 0.0),
                y=100 * one.score.mean,
                label=_escape(one.label),
                group=describe_kind(one.kind) if one.is_baseline else "runs" if one.kind == RUN else "the sweep's grid",
                half_width=None if one.score.half_width is None else 100 * one.score.half_width,
                note=", ".join(pick.title for pick in picks if pick.chosen is one),
            )
            for one in shown
        ],
        front=[index[id(one)] for one in front.members],
        dense=list_dense_points(ranking, front.against),
        axis=axes[front.against],
        accuracy=_name_score(ranking),
        title=f"{name}: accuracy against {front.against}",
    )


def list_dense_points(ranking: Ranking, against: str) -> list[tuple[float, float]]:
    """Return (cost, accuracy in percent) of every dense model of the leaderboard, but of those without the cost."""
    points = []
    for dense in list_dense_models(ranking):
        cost = {"sparsity": 0.0, "bytes": dense.bytes, "latency": dense.milliseconds}[against]
        if cost is not None:
            points.append((cost, 100 * dense.score.mean))
    return points


def make_coordinates(ranking: Ranking) -> list[Coordinate]:
    """Return the axes of the parallel coordinates: settings that differ, then results, of every configuration."""
    shown = ranking.configurations
    coordinates = [
        Coordinate(name.replace("_", " "), [one.axes.get(key) for one in shown], asked=True)
        for key, name in name_keys(_most_used(list_varied(ranking), shown)).items()
    ]
    if len({one.kind for one in shown}) > 1:
        coordinates.insert(0, Coordinate("kind", [describe_kind(one.kind) for one in shown], asked=True))
    floor = find_floor(ranking)
    coordinates += [
        Coordinate("file, KiB, log", [one.measured.bytes for one in shown], log=True, unit_scale=_KIB),
        Coordinate("latency, ms, log", [one.milliseconds for one in shown], log=True),
        Coordinate(_name_score(ranking).replace(" ", "\n", 1), [100 * one.score.mean for one in shown], floor=floor),
    ]
    if ranking.validated:
        coordinates.append(
            Coordinate(f"test\n{ranking.score_name}, %", [100 * one.test.mean for one in shown], floor=floor)
        )
    return [one for one in coordinates if any(value is not None for value in one.values)]


def list_varied(ranking: Ranking) -> list[str]:
    """Return the axes in which configurations differ, without those that only baselines have, such as the width."""
    shown = ranking.configurations
    own = [one for one in shown if not one.is_baseline] or shown
    asked = [
        key for key in ranking.sweep.axes if key not in REPEATS and any(one.axes.get(key) is not None for one in own)
    ]
    return [key for key in asked if len({repr(one.axes.get(key)) for one in shown}) > 1]


def find_floor(ranking: Ranking) -> float | None:
    """Return the accuracy in percent below which all collapsed models are drawn alike; None without any."""
    return _find_floor([100 * one.score.mean for one in ranking.configurations])


def _name_score(ranking: Ranking) -> str:
    return f"{'validation' if ranking.validated else 'test'} {ranking.score_name}, %"


def _draw_parallel(ranking: Ranking, picks: Sequence[Pick]) -> Figure:
    shown, varied = ranking.configurations, list_varied(ranking)
    count = f"{len(shown):,} {'configuration' if len(shown) == 1 else 'configurations'}"
    if len(varied) > MAX_ASKED:
        count += f"; {MAX_ASKED} of {len(varied)} axes"
    titles: dict[int, list[str]] = {}
    for pick in picks:
        if pick.chosen is not None:
            titles.setdefault(next(n for n, one in enumerate(shown) if one is pick.chosen), []).append(pick.title)
    return draw_parallel_coordinates(
        [
            replace(one, name=_escape(one.name), values=[_escape(value) for value in one.values])
            for one in make_coordinates(ranking)
        ],
        colour_by=[100 * one.score.mean for one in shown],
        colour_name=_name_score(ranking),
        colour_floor=find_floor(ranking),
        highlighted=[(index, ",\n".join(names)) for index, names in titles.items()],
        title=f"{_name(ranking)}: {count}",
    )


def _most_used(keys: Sequence[str], shown: Sequence[Configuration]) -> list[str]:
    most = sorted(keys, key=lambda key: sum(one.axes.get(key) is None for one in shown))[:MAX_ASKED]
    return [key for key in keys if key in most]


def _find_floor(accuracies: Sequence[float]) -> float | None:
    """Return the accuracy at which lower ones are drawn, so that few collapsed models do not compress the axis.

    Return None if no model is that low, or if more than half of them are.
    """
    floor = max(accuracies, default=0.0) - COLLAPSED_POINTS
    lower = sum(accuracy < floor for accuracy in accuracies)
    return floor if 0 < 2 * lower <= len(accuracies) else None


def _name(ranking: Ranking) -> str:
    return str(_escape(ranking.sweep.folder.resolve().name))


def _escape(value: Any) -> Any:
    """Escape dollar signs in text, which matplotlib would read as mathematics. Return other values unchanged."""
    return value.replace("$", r"\$") if isinstance(value, str) else value
