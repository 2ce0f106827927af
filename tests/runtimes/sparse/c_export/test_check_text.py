import numpy as np
import torch
from residual_net import Residual, randomize_

from compression.runtimes.sparse.c_export.check_text import TestImages, write_readme, write_test
from compression.runtimes.sparse.c_export.write_folder import make_c_model


def test_pixels_and_logits_are_written_as_they_are() -> None:
    images = TestImages(
        np.array([[[[1]], [[2]], [[255]]]], dtype=np.uint8), np.array([[0.5, -3.0]], dtype=np.float32), "x", 0.01
    )
    text = write_test(images)
    assert "{1, 2, 255}" in text
    assert "{0x1p-1f, -0x1.8p+1f}" in text
    assert "#define NUM_IMAGES 1\n" in text


def test_the_readme_has_ten_lines_with_the_sizes() -> None:
    model = make_c_model(
        randomize_(Residual()), shape=(3, 12, 12), class_names=tuple("abcd"), mean=(0.0,) * 3, std=(1.0,) * 3
    )
    images = TestImages(np.zeros((2, 3, 12, 12), dtype=np.uint8), torch.zeros(2, 4).numpy(), "seeded noise", 0.01)
    text = write_readme(model, images)
    assert len(text.splitlines()) == 10
    assert f"{model.table_bytes:,} bytes of tables" in text
    assert f"RAM: {model.memory_bytes:,} bytes" in text
    assert "The images are seeded noise." in text
