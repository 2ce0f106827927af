"""Which jobs of a sweep are one configuration, and its label for people."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from compression.sweep.axis_names import SHORT_NAMES, name_keys
from compression.sweep.command_words import FOLD
from compression.sweep.jobs import RANDOM, SMALL_DENSE
from compression.sweep.report.records import REPEATS, RUN, JobRecord, SweepRecord

# The axis of a small dense job that names the job of the grid it matches in size.
MATCHES = "matches"


def configuration_key(job: JobRecord) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the kind and all axes of a job except the seed and the fold; equal for jobs of one configuration."""
    return job.kind, tuple(sorted((key, repr(value)) for key, value in job.axes.items() if key not in REPEATS))


def group_by_seed(jobs: Iterable[JobRecord]) -> list[list[JobRecord]]:
    """Return the jobs in groups that are equal in kind and in all axes except the seed and the fold.

    A group holds each seed and fold once: a second job with the same ones starts another group.
    """
    groups: dict[Any, list[JobRecord]] = {}
    seen: Counter[Any] = Counter()
    for job in jobs:
        key = configuration_key(job)
        seen[key, job.repeat] += 1
        groups.setdefault((key, seen[key, job.repeat]), []).append(job)
    return list(groups.values())


def make_labels(sweep: SweepRecord) -> dict[str, str]:
    """Return a short, unique label of each job's configuration, e.g. ``s50 w6 a8``, by the job's name.

    Seeds of one configuration share a label. If two groups of `group_by_seed` have the same label, use the jobs' names
    instead.
    """
    # The name of a single run was chosen by the user or describes the run.
    labels = {job.name: (job.kind != RUN and _describe_job(job)) or job.name for job in sweep.jobs}
    users = Counter(text for group in group_by_seed(sweep.jobs) for text in {labels[job.name] for job in group})
    repeated = {text for text, num in users.items() if num > 1}
    return {name: name if text in repeated else text for name, text in labels.items()}


def describe_kind(kind: str) -> str:
    """Return the kind of a baseline in words, and any other kind unchanged."""
    return {RANDOM: "random pruning", SMALL_DENSE: "small and dense"}.get(kind, kind)


def _describe_job(job: JobRecord) -> str:
    words = describe_axes(job.axes)
    if not words and job.axes.get(FOLD) is not None:
        words.append("cross-validation")
    if job.is_baseline:
        words.insert(0, describe_kind(job.kind))
    return " ".join(words)


def describe_axes(axes: Mapping[str, Any]) -> list[str]:
    """Return a word for each setting, without seed and fold, e.g. ``s50``, ``w6`` and ``gmp``."""
    words, names = [], name_keys(axes)
    for key, value in axes.items():
        if key in (*REPEATS, MATCHES) or value is None:
            continue
        if key == "sparsity" and isinstance(value, (int, float)):
            words.append(f"s{100 * value:g}")
        elif key in SHORT_NAMES:
            words.append(f"{SHORT_NAMES[key]}{value}")
        elif isinstance(value, str):
            words.append(value)
        else:
            words.append(f"{names[key]}={value}")
    return words
