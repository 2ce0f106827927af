from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteFolder = Callable[..., Path]


@pytest.fixture
def write_folder(tmp_path: Path) -> WriteFolder:
    """Return a function that writes PNG images of random pixels: ``write_folder({"train/cat": 3}, size=(32, 32))``."""

    def write(counts: dict[str, int], *, size: tuple[int, int] = (32, 32), name: str = "images") -> Path:
        generator = np.random.default_rng(7)
        root = tmp_path / name
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / folder / f"{index:03d}.png")
        return root

    return write


@pytest.fixture
def split_folder(write_folder: WriteFolder) -> Path:
    """Return a folder of two classes with 20 training and 5 test images each, 32x32 pixels."""
    return write_folder({"train/cat": 20, "train/dog": 20, "test/cat": 5, "test/dog": 5})
