"""The plan of a sweep: stages to make, stages on disk, and the expected time and bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compression.config.schema import MEASURING, STAGES, Config
from compression.core.file_names import METRICS
from compression.stage_store.store import StageRecord
from compression.sweep.estimate import Estimate, Estimator
from compression.sweep.jobs import read_json
from compression.system.library_messages import keep_in_log_file
from compression.system.uncollected import uncollected_imports


@dataclass(frozen=True)
class StagePlan:
    """All stages of one kind in a sweep. ``seconds`` and ``num_bytes`` count stages to make; None: not known.

    ``elsewhere``: these numbers come from another number of threads, device or precision.
    """

    stage: str
    to_make: int
    found: int
    seconds: float | None
    num_bytes: int | None
    elsewhere: bool = False


@dataclass(frozen=True)
class SweepPlan:
    """A row for each kind of stage. ``longest``: seconds of the longest job, counting rows with known seconds."""

    rows: Sequence[StagePlan]
    longest: float = 0.0


def describe_run(config: Config) -> str:
    """Return the plan of a single run as text; raises InputError for a wrong configuration."""
    keep_in_log_file()
    # Imported late, so that --help and a mistyped key are answered before torch is loaded.
    with uncollected_imports():
        from compression.run.pipeline import plan_stages

    output = Path(config.output_dir)
    stages = plan_stages(config, run_dir=output / (config.name or "run"))
    return format_plan(plan_sweep([stages], store=output / "store"), num_jobs=1, workers=1)


def list_made(stages: Mapping[str, StageRecord], folder: Path) -> dict[str, str]:
    """Return the ids of a job's stages on disk, without measurements; none if its ``folder`` lacks a wanted analysis.

    A job with a stage to make is not done, also with overwrite=true, nor is one that an earlier command ran with
    ``until=evaluate``.
    """
    if "analyze" in stages and _lacks_analysis(folder):
        return {}
    return {stage: record.id for stage, record in stages.items() if stage not in MEASURING and not record.planned}


def _lacks_analysis(folder: Path) -> bool:
    try:
        return read_json(folder / METRICS).get("failure_modes") is None
    except (AttributeError, ValueError):
        return True


def plan_sweep(jobs: Iterable[Mapping[str, StageRecord]], *, store: Path) -> SweepPlan:
    """Return the plan of ``jobs``. A stage that several jobs share counts once."""
    made_of = [{record.id: record for record in job.values()} for job in jobs]
    unique = {name: record for job in made_of for name, record in job.items()}
    estimator = Estimator(store, unique)
    estimates = {name: estimator.estimate(record) for name, record in unique.items() if record.planned}
    kinds = sorted({record.key.stage for record in unique.values()}, key=_rank)
    rows = []
    for kind in kinds:
        names = [name for name, record in unique.items() if record.key.stage == kind]
        planned = [estimates[name] for name in names if name in estimates]
        rows.append(_make_row(kind, planned, found=len(names) - len(planned)))
    counted = {row.stage for row in rows if row.seconds is not None}
    seconds = {
        name: estimate.seconds
        for name, estimate in estimates.items()
        if estimate is not None and unique[name].key.stage in counted
    }
    # A job makes its stages one after the other, or waits for them.
    longest = max((sum(seconds.get(name, 0.0) for name in job) for job in made_of), default=0.0)
    return SweepPlan(rows, longest)


def format_plan(plan: SweepPlan, *, num_jobs: int, workers: int) -> str:
    """Return the plan as text."""
    rows = plan.rows
    head = f"{'stage':<12} {'to make':>8} {'on disk':>8} {'about':>10} {'leaves':>10}"
    lines = [
        f"{row.stage:<12} {row.to_make:>8} {row.found:>8} {_time(row.seconds):>10} {_size(row.num_bytes):>10}"
        for row in rows
    ]
    to_make, found = sum(row.to_make for row in rows), sum(row.found for row in rows)
    unknown = [row.stage for row in rows if row.seconds is None]
    # Rows of finished stages take no time. If other rows are unknown, such a row alone is no estimate.
    known = [row for row in rows if row.seconds is not None and (row.to_make or not unknown)]
    seconds = sum(row.seconds or 0.0 for row in known) if known else None
    size = sum(row.num_bytes or 0 for row in known) if known else None
    total = f"{'all':<12} {to_make:>8} {found:>8} {_time(seconds):>10} {_size(size):>10}"
    text = "\n".join([f"{num_jobs} job{'s' if num_jobs > 1 else ''}", "", head, *lines, total])
    if to_make == 0:
        return text
    if seconds is None:
        return f"{text}\n\nTimes and bytes are not known: the store has no similar stage of the same data and model."
    notes = [
        "Times and bytes are those of the most similar stages on disk of the same data and model, trainings by their",
        "epochs, one after the other. What each job takes to start, load and report, often 10 to 40 s, is not counted.",
    ]
    elsewhere = [row.stage for row in rows if row.elsewhere]
    if elsewhere:
        notes.append(f"These times are of another number of threads, device or precision: {', '.join(elsewhere)}.")
    if workers > 1:
        notes.append(f"With {workers} workers at best {_time(max(seconds / workers, plan.longest))}.")
    if unknown:
        notes.append(
            "Not in the sum, as for some or all nothing like them was made here of the same data and model: "
            f"{', '.join(unknown)}."
        )
    return f"{text}\n\n" + "\n".join(notes)


def _make_row(kind: str, planned: Sequence[Estimate | None], *, found: int) -> StagePlan:
    known = [estimate for estimate in planned if estimate is not None]
    complete = len(known) == len(planned)
    return StagePlan(
        kind,
        to_make=len(planned),
        found=found,
        seconds=sum(estimate.seconds for estimate in known) if complete else None,
        num_bytes=sum(estimate.num_bytes for estimate in known) if complete else None,
        elsewhere=complete and any(estimate.elsewhere for estimate in known),
    )


def _rank(stage: str) -> tuple[int, str]:
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(num_bytes: int | None) -> str:
    return "?" if num_bytes is None else f"{num_bytes / 2**20:.1f} MiB"
