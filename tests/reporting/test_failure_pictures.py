import numpy as np
import pytest
from PIL import Image
from sample_predictions import name_classes, random_predictions, related_predictions

from compression.analysis.failure_modes import combine_failure_modes, describe_change, describe_failures
from compression.reporting.failure_pictures import draw_failure_pictures
from compression.reporting.figures import save_figure

OF_ONE = {
    "confusion_matrix.png",
    "confusion_matrix_normalized.png",
    "per_class_accuracy.png",
    "confidence_distribution.png",
}
OF_TWO = OF_ONE | {"per_class_change.png"}
EXAMPLES = {"misclassified_examples.png"}


def draw(models, *, load_images=None, change=None):
    document = combine_failure_modes(
        name_classes(10), models={name: describe_failures(one) for name, one in models.items()}, change=change
    )
    return dict(draw_failure_pictures(document, predictions=models, load_images=load_images))


@pytest.fixture(scope="module")
def models():
    dense = random_predictions(images=400, classes=10)
    return {"dense": dense, "compressed": related_predictions(dense, noise=0.5)}


def test_pictures_of_one_model(models):
    one = {"model": models["dense"]}
    assert set(draw(one)) == OF_ONE
    images = np.zeros((400, 8, 8, 1), np.uint8)
    assert set(draw(one, load_images=images.__getitem__)) == OF_ONE | EXAMPLES


def test_pictures_of_two_models_are_files(models, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3), np.uint8)
    figures = draw(models, change=describe_change(*models.values()), load_images=images.__getitem__)
    assert set(figures) == OF_TWO | EXAMPLES | {"flipped_examples.png"}
    for name, figure in figures.items():
        save_figure(figure, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 100
    assert "compressed" in figures["misclassified_examples.png"].texts[0].get_text()
