"""The pictures of a sweep in TensorBoard, beside the curves of its jobs."""

from collections.abc import Mapping
from pathlib import Path

from compression.reporting.hparams import ROW
from compression.sweep.report.records import RUN, SweepRecord

# The folder of the pictures, in a folder that is called as those of the jobs.
PLACE = "report"


def update_pictures(sweep: SweepRecord, pictures: Mapping[str, Path]) -> None:
    """Write the pictures as images for TensorBoard, if a job of the sweep was logged for it.

    A folder of single runs is no sweep and gets no images.
    """
    jobs = [job for job in sweep.jobs if job.kind != RUN]
    row = next((place for job in jobs for place in sorted((sweep.folder / job.name).glob(f"*/{ROW}"))), None)
    if row is None or not pictures:
        return
    # Imported late, because only sweeps that were logged for TensorBoard need it.
    from tensorboard.compat.proto.event_pb2 import Event

    from compression.reporting.event_files import make_images, replace_events

    # The time of the pictures, so that the same pictures make the same events.
    drawn = max(path.stat().st_mtime for path in pictures.values())
    replace_events(sweep.folder / row.parent.name / PLACE, [Event(wall_time=drawn, summary=make_images(pictures))])
