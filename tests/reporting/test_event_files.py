import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event

from compression.reporting.event_files import PATTERN, make_images, replace_events


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_pictures_are_read_back_byte_for_byte(tmp_path, mode, channels):
    Image.new(mode, (5, 3)).save(tmp_path / "a.png")
    summary = make_images({"first": tmp_path / "a.png"})
    assert summary.value[0].image.colorspace == channels
    replace_events(tmp_path / "board", [Event(wall_time=1.0, summary=summary)])
    [image] = EventAccumulator(str(tmp_path / "board")).Reload().Images("first")
    assert (image.width, image.height) == (5, 3)
    assert image.encoded_image_string == (tmp_path / "a.png").read_bytes()


def test_earlier_files_are_emptied_and_not_all_removed(tmp_path):
    for _ in range(3):
        replace_events(tmp_path, [Event(wall_time=1.0, step=7)])
    sizes = [file.stat().st_size > 0 for file in sorted(tmp_path.glob(PATTERN))]
    # A running TensorBoard reads the emptied file to its end, and then the new one.
    assert sizes == [False, True]
