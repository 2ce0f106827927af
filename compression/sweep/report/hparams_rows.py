"""Updates of TensorBoard's HParams table, so that it agrees with the sweep's own table.

A job writes its row when it ends. Only the sweep knows its wall time, the dense model that the job is compared with and
the batch size of its latency.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from compression.reporting.hparams import ROW, keep_numbers
from compression.sweep.jobs import FINISHED
from compression.sweep.report.job_table import AXIS
from compression.sweep.report.records import RUN, SEED


def update_hparams(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the numbers of each finished job's row into its TensorBoard log, if it has one.

    Rows of single runs do not change: they do not depend on a sweep, and a run may be writing its row at the moment.
    """
    for row in rows:
        if row["status"] == FINISHED and row["kind"] != RUN:
            for place in (folder / row["job"]).glob(f"*/{ROW}"):
                _replace_metrics(place, list_metrics(row))


def list_metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the measured numbers of a row of the table, without the seed and the axes."""
    return keep_numbers({key: value for key, value in row.items() if key != SEED and not key.startswith(AXIS)})


def _replace_metrics(place: Path, metrics: Mapping[str, float]) -> None:
    """Replace the metrics in the event file in ``place`` if they differ from ``metrics``. Its settings stay."""
    # Imported late, because only sweeps that were logged for TensorBoard need it.
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.compat import tf
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    from compression.reporting.event_files import PATTERN, empty_files, replace_events

    files = sorted(place.glob(PATTERN))
    try:
        events = list(LegacyEventFileLoader(str(files[-1])).Load()) if files else []
    except tf.errors.NotFoundError:
        # Another report of this sweep has just replaced the file.
        return
    settings = [event for event in events if not _list_values(event)]
    wanted = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in metrics.items()])
    # Both sides are float32 here, so they can be compared exactly.
    if settings and {one.tag: one.simple_value for event in events for one in _list_values(event)} != {
        one.tag: one.simple_value for one in wanted.value
    }:
        replace_events(place, [*settings, Event(wall_time=events[-1].wall_time, summary=wanted)])
    else:
        empty_files(files[:-1])


def _list_values(event: Any) -> list[Any]:
    return [value for value in event.summary.value if value.HasField("simple_value")]
