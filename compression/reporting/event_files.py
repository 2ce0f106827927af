"""Event files of TensorBoard: pictures as events, and files that a running TensorBoard replaces."""

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from compression.system.files import write_atomic

PATTERN = "events.out.tfevents.*"
# Channels of the picture, by Pillow's mode, as TensorBoard counts them.
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def make_images(pictures: Mapping[str, Path]) -> Summary:
    """Return PNG files as TensorBoard's images, under their names. Their bytes stay as they are."""
    return Summary(value=[_make_image(name, path) for name, path in pictures.items()])


def replace_events(place: Path, events: Iterable[Event]) -> None:
    """Write ``events`` as the content of the folder ``place``, instead of its earlier event files."""
    files = sorted(place.glob(PATTERN))
    write_atomic(place / f"events.out.tfevents.{time.time_ns()}", _to_records(events))
    empty_files(files)


def empty_files(files: Sequence[Path]) -> None:
    """Empty the last of ``files`` and remove the others.

    A running TensorBoard moves on to the next file when the current one has no more events, but not when it is gone.
    """
    for file in files[:-1]:
        file.unlink(missing_ok=True)
    for file in files[-1:]:
        if file.stat().st_size:
            file.write_bytes(b"")


def _make_image(name: str, path: Path) -> Any:
    with Image.open(path) as image:
        width, height, channels = image.width, image.height, _CHANNELS.get(image.mode, 3)
    shown = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=path.read_bytes())
    return Summary.Value(tag=name, image=shown)


def _to_records(events: Iterable[Event]) -> bytes:
    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for event in events:
        writer.write(event.SerializeToString())
    return stream.getvalue()
