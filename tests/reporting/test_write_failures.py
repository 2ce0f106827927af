import json

import numpy as np
from PIL import Image
from sample_predictions import random_predictions, related_predictions

from compression.reporting.failure_record import make_failure_record
from compression.reporting.write_failures import TITLES, remove_pictures, write_failures


def load_images(indices):
    return np.zeros((len(indices), 8, 8, 3), np.uint8)


def test_files_of_two_models_and_then_of_one(tmp_path):
    dense = random_predictions(images=100, classes=4)
    pair = {"dense": dense, "compressed": related_predictions(dense, noise=1.0)}
    record = make_failure_record(pair)
    written = write_failures(tmp_path, record, pair, load_images=load_images)
    assert written == ["failure_modes.json", "failure_mode_report.txt", *written[2:]]
    assert set(written[2:]) == set(TITLES)
    assert {path.name for path in tmp_path.iterdir()} == set(written)
    assert json.loads((tmp_path / "failure_modes.json").read_text()) == record
    for name in TITLES:
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 100
    # The pictures of a change would be those of another model.
    alone = {"model": dense}
    write_failures(tmp_path, make_failure_record(alone), alone, load_images=load_images)
    left = {path.name for path in tmp_path.glob("*.png")}
    assert left == set(TITLES) - {"per_class_change.png", "flipped_examples.png"}


def test_only_pictures_of_an_analysis_are_removed(tmp_path):
    for name in ("mine.png", "confusion_matrix.png", "flipped_examples.png"):
        (tmp_path / name).write_text("x")
    remove_pictures(tmp_path, keep=["confusion_matrix.png"])
    assert {path.name for path in tmp_path.iterdir()} == {"mine.png", "confusion_matrix.png"}
