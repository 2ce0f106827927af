"""The rows of a sweep's jobs in TensorBoard's HParams table, brought to what the sweep's own table says.

A job writes its row when it ends. What it is held against, the batch size of its latency and its wall time are known
only to the sweep.
"""

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compression.reporting.hparams import ROW, keep_numbers
from compression.sweep.jobs import FINISHED
from compression.sweep.report.job_table import AXIS
from compression.sweep.report.records import RUN, SEED
from compression.system.files import write_atomic


def update_hparams(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Give each finished job in ``folder`` the numbers of its row of the table, where it was logged for TensorBoard.

    A single run's row is its own, and may just be written.
    """
    for row in rows:
        if row["status"] == FINISHED and row["kind"] != RUN:
            for place in (folder / row["job"]).glob(f"*/{ROW}"):
                _replace_metrics(place, list_metrics(row))


def list_metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a row of the table: its numbers, without those that were asked for."""
    return keep_numbers({key: value for key, value in row.items() if key != SEED and not key.startswith(AXIS)})


def _replace_metrics(place: Path, metrics: Mapping[str, float]) -> None:
    """Put ``metrics`` in place of those in the event file of ``place``, where they are others; its settings stay."""
    # Imported late: only a sweep that was logged for it needs TensorBoard.
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.compat import tf
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    files = sorted(place.glob("events.out.tfevents.*"))
    try:
        events = list(LegacyEventFileLoader(str(files[-1])).Load()) if files else []
    except tf.errors.NotFoundError:
        # Another report of this sweep has just replaced it.
        return
    settings = [event for event in events if not _list_values(event)]
    wanted = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in metrics.items()])
    # Both are float32 here.
    if settings and {one.tag: one.simple_value for event in events for one in _list_values(event)} != {
        one.tag: one.simple_value for one in wanted.value
    }:
        files.append(place / f"events.out.tfevents.{time.time_ns()}")
        write_atomic(files[-1], _to_records([*settings, Event(wall_time=events[-1].wall_time, summary=wanted)]))
    _empty(files[:-1])


def _empty(files: Sequence[Path]) -> None:
    """Empty the last of ``files`` and remove those before it.

    A TensorBoard that runs goes on to the next name where the file it is at has no more, and never where it is gone.
    """
    for file in files[:-1]:
        file.unlink(missing_ok=True)
    for file in files[-1:]:
        if file.stat().st_size:
            file.write_bytes(b"")


def _list_values(event: Any) -> list[Any]:
    return [value for value in event.summary.value if value.HasField("simple_value")]


def _to_records(events: Iterable[Any]) -> bytes:
    from tensorboard.summary.writer.record_writer import RecordWriter

    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for event in events:
        writer.write(event.SerializeToString())
    return stream.getvalue()
