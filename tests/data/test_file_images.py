import numpy as np
import torch
from PIL import Image

from compression.core.preparation import Preparation
from compression.data.decode import read_image
from compression.data.file_images import FileImages


def test_an_image_is_decoded_at_each_access(tmp_path):
    path = str(tmp_path / "a.png")
    for value in (10, 200):
        Image.new("RGB", (16, 16), (value, 0, 0)).save(path)
        source = FileImages([path], image_size=8)
        assert (len(source), source[0].dtype, source[0].shape) == (1, torch.uint8, (3, 8, 8))
        assert source[0].amax((1, 2)).tolist() == [value, 0, 0]


def test_images_are_prepared_as_asked(tmp_path):
    path, preparation = str(tmp_path / "a.png"), Preparation(channels=1, fit="pad")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8)).save(path)
    image = FileImages([path], image_size=8, preparation=preparation)[0]
    assert image.shape == (1, 8, 8)
    assert torch.equal(image, read_image(path, image_size=8, preparation=preparation))
