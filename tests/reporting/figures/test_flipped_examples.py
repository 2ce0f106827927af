import numpy as np
import pytest
from figure_texts import overlaps
from sample_predictions import exact_predictions, random_predictions, related_predictions

from compression.analysis.paired_comparison import find_flips
from compression.reporting.figures.flipped_examples import NUM_EXAMPLES, draw_flipped_examples

BLACK = np.zeros((1, 8, 8, 3), np.uint8)


def test_captions_by_hand():
    labels = [0, 1, 1]
    dense = exact_predictions(labels, [0, 0, 1], confidence=[0.6, 0.7, 0.8], names=["cat", "dog"])
    compressed = exact_predictions(labels, [1, 1, 1], confidence=[0.9, 0.8, 0.8], names=["cat", "dog"])
    flips = find_flips(dense, compressed)
    figure = draw_flipped_examples(BLACK, BLACK, flips=flips, dense=dense, compressed=compressed)
    worsened, improved = ([text.get_text() for text in axes.texts] for axes in figure.axes)
    assert worsened == ["now dog 0.90", "was cat 0.60"]
    assert improved == ["now dog 0.80", "was cat 0.70"]
    assert [text.get_text() for text in figure.texts][2:] == [
        "right before, wrong now: 1",
        "wrong before, right now: 1",
    ]


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("num", [1, NUM_EXAMPLES])
def test_any_number_of_classes(classes, num):
    dense = random_predictions(images=3000, classes=classes, skill=4)
    compressed = related_predictions(dense, noise=1.0)
    flips = find_flips(dense, compressed)
    images = [np.zeros((len(one[:num]), 32, 32, 3), np.uint8) for one in (flips.worsened, flips.improved)]
    figure = draw_flipped_examples(*images, flips=flips, dense=dense, compressed=compressed)
    assert overlaps(figure) == []
    assert len(figure.axes) == 2


def test_flips_in_one_direction_only():
    dense, compressed = exact_predictions([0], [0], names="ab"), exact_predictions([0], [1], names="ab")
    flips = find_flips(dense, compressed)
    figure = draw_flipped_examples(BLACK, BLACK[:0], flips=flips, dense=dense, compressed=compressed)
    assert len(figure.axes) == 1
    assert figure.texts[-1].get_text() == "wrong before, right now: 0"


def test_no_flip_is_said():
    same = exact_predictions([0], [0], names="ab")
    figure = draw_flipped_examples(BLACK[:0], BLACK[:0], flips=find_flips(same, same), dense=same, compressed=same)
    assert figure.texts[0].get_text() == "No image is right in only one of dense and compressed"
