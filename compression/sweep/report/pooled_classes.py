"""Figures by class of a configuration, pooled over the folds of a cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compression.analysis.intervals import Interval, mean_share_interval, wilson_interval
from compression.core.errors import printable
from compression.sweep.report.records import JobRecord


@dataclass(frozen=True)
class PooledClasses:
    """Accuracy, balanced accuracy and the worst class over the pooled test images, with 95 % intervals.

    ``images`` is their number.
    """

    images: int
    accuracy: Interval
    balanced: Interval
    worst_name: str
    worst: Interval

    def describe(self) -> str:
        """Return e.g. ``balanced accuracy 91.30 % (87.12 to 94.05), worst class fray 50.00 % (...), 1,344 images``."""
        balanced, worst = (
            f"{100 * one.value:.2f} % ({100 * one.low:.2f} to {100 * one.high:.2f})"
            for one in (self.balanced, self.worst)
        )
        return f"balanced accuracy {balanced}, worst class {self.worst_name} {worst}, {self.images:,} test images"


def pool_classes(jobs: Sequence[JobRecord], *, ship: JobRecord) -> PooledClasses | None:
    """Return the figures of all ``jobs`` with the seed of ``ship``; None if a record has no counts by class.

    The jobs of one seed are the folds of one cross-validation, so every image counts once. Another seed tests the same
    images again: to pool it too would make the intervals too narrow.
    """
    chosen = [job.measured for job in jobs if job.seed == ship.seed and job.measured is not None]
    if not chosen or any(not run.classes or run.classes.keys() != chosen[0].classes.keys() for run in chosen):
        return None
    names = list(chosen[0].classes)
    counts = np.array([[run.classes[name] for name in names] for run in chosen], np.int64).sum(axis=0)
    present = np.flatnonzero(counts[:, 1])
    if not len(present):
        return None
    hits, images = counts[present, 0], counts[present, 1]
    # As in an analysis: among equal recalls the class with most images.
    worst = min(range(len(present)), key=lambda index: (hits[index] / images[index], -images[index]))
    return PooledClasses(
        images=int(images.sum()),
        accuracy=wilson_interval(int(hits.sum()), images=int(images.sum())),
        balanced=mean_share_interval(hits, images=images),
        worst_name=printable(names[present[worst]]),
        worst=wilson_interval(int(hits[worst]), images=int(images[worst])),
    )


def format_share(share: Interval) -> str:
    """Return a share with its interval in percent, e.g. ``91.30 (87.12 to 94.05)``."""
    return f"{100 * share.value:.2f} ({100 * share.low:.2f} to {100 * share.high:.2f})"
