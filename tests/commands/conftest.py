from shutil import copytree

import pytest
from PIL import Image
from small_files import save_colours, save_run, save_small

from compression.models.mobilenet_v2 import mobilenet_v2


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A read-only folder with images and two artifacts: a MobileNetV2 and a custom network for red and blue."""
    folder = tmp_path_factory.mktemp("commands")
    info = {"strategy": "oneshot_l1", "sparsity": 0.5}
    save_small(folder / "mobile.cmp", mobilenet_v2(num_classes=2, width_mult=0.1), info=info)
    save_colours(folder / "own.cmp")
    images = folder / "images"
    (images / "deep").mkdir(parents=True)
    (images / ".hidden").mkdir()
    for name, colour in {"b.png": (0, 0, 255), "a.bmp": (255, 0, 0), "deep/c.PNG": (255, 0, 0)}.items():
        Image.new("RGB", (20, 30), colour).save(images / name)
    Image.new("RGB", (20, 30)).save(images / ".hidden" / "d.png")
    (images / "notes.txt").write_text("hello")
    (images / "broken.png.bak").write_text("hello")
    (folder / "broken.png").write_bytes(b"hello")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_run(folder)
    return folder


@pytest.fixture
def own_run(whole_run, tmp_path):
    """A copy of a run's files and its record, which a test may change."""
    return copytree(whole_run, tmp_path / "run")


@pytest.fixture
def compared(tmp_path):
    """Four artifacts in separate folders, which classify red and blue, and three images: one blue, two red."""
    save_colours(tmp_path / "a/model.cmp", info={"dense_bytes": 5000})
    # The same network with its classes in reverse order, and larger images.
    save_colours(tmp_path / "b/model.cmp", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], names=["red", "blue"], size=16)
    save_colours(tmp_path / "c/model.cmp", [[0.0] * 3] * 2, bias=(0.0, 1.0))
    save_colours(tmp_path / "d/model.cmp", [[0.0] * 3] * 2, names=["cat", "dog"])
    (tmp_path / "images").mkdir()
    for name, colour in {"1": (0, 0, 255), "2": (255, 0, 0), "3": (200, 0, 0)}.items():
        Image.new("RGB", (20, 20), colour).save(tmp_path / "images" / f"{name}.png")
    return tmp_path
