"""The epochs that trained the network in the file, without those of a pruning step that was rejected."""

from collections.abc import Mapping, Sequence

from compression.reporting.metrics_schema import Step


def count_kept(epochs: Mapping[str, int], steps: Sequence[Step], *, stopped: bool) -> dict[str, int] | None:
    """Return the ``epochs`` by stage that trained the network in the file; None if the record does not tell.

    A pruning that ``stopped`` rejected the last of its ``steps``, with the recovery of that step.
    """
    if not stopped or "prune" not in epochs:
        return dict(epochs)
    if len(steps) < 2:
        # The file holds the network from before pruning.
        return {**epochs, "prune": 0}
    first, second, *_, rejected = (step.update for step in (*steps[:2], steps[-1]))
    if first is None or second is None or rejected is None or not first < second <= rejected:
        return None
    # A pruning that may stop trains equally long after each step, so the last update is known too.
    last = rejected + second - first
    return {**epochs, "prune": epochs["prune"] * rejected // last}
