"""Folders of class folders with tiny images of one colour, for models of ``small_files``."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def save_folder(root: Path, counts: Mapping[str, int]) -> Path:
    """Write ``counts[name]`` images into each class folder of ``root``; an unknown name is grey. Return ``root``."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.new("RGB", (8, 8), COLOURS.get(name, (128, 128, 128))).save(root / name / f"{index}.png")
    return root
