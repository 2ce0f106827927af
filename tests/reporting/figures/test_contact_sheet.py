import numpy as np

from compression.reporting.figures.contact_sheet import draw_contact_sheet


def test_a_row_for_each_class_with_its_images(tmp_path):
    red, blue = np.zeros((2, 4, 4, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    figure = draw_contact_sheet([("cat", 1200, [red, red]), ("dog $5", 3, [blue])], num_classes=7)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        *("cat", "1,200 images", "dog \\$5", "3 images", "2 of 7 classes, images as a network sees them")
    ]
    figure.savefig(tmp_path / "sheet.png")
    canvas = axes.images[0].get_array()
    assert (canvas == (255, 0, 0)).all(axis=2).sum() == 2 * 96 * 96
    assert (canvas == (0, 0, 255)).all(axis=2).sum() == 96 * 96


def test_all_classes_are_named_as_such():
    figure = draw_contact_sheet([("a", 1, [np.zeros((200, 100, 3), np.uint8)])], num_classes=1)
    assert figure.axes[0].texts[-1].get_text() == "1 classes, images as a network sees them"
