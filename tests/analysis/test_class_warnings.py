from compression.analysis.class_warnings import list_class_warnings

NAMES = ("free", "crack", "fray")


def warn(hits, images, names=NAMES):
    return list_class_warnings("the dense model", class_names=names, hits=hits, images=images)


def test_a_good_model_has_no_warning():
    assert warn([60, 15, 5], [71, 20, 9]) == []


def test_a_model_that_says_free_to_everything():
    assert warn([71, 0, 0], [71, 20, 9]) == [
        "the dense model has 0 % on classes crack (0 of 20), fray (0 of 9)",
        "the dense model has 71.00 % accuracy, no better than always answering free (71.00 % of the test images)",
    ]


def test_one_class_that_is_never_recognized():
    assert warn([70, 15, 0], [71, 20, 9]) == ["the dense model has 0 % on class fray (0 of 9)"]


def test_a_model_worse_than_the_largest_class():
    assert warn([40, 20, 9], [71, 20, 9]) == [
        "the dense model has 69.00 % accuracy, no better than always answering free (71.00 % of the test images)"
    ]


def test_classes_without_images_are_left_out_and_many_are_counted():
    names = [f"c{index}" for index in range(9)]
    [line] = warn([50, *[0] * 7, 0], [20, *[1] * 7, 0], names=names)
    assert line.endswith("c1 (0 of 1), c2 (0 of 1), c3 (0 of 1), c4 (0 of 1), c5 (0 of 1) and 2 more")


def test_a_single_class_says_nothing():
    assert warn([0, 0, 0], [5, 0, 0]) == []


def test_names_from_folders_are_made_printable():
    assert warn([5, 0], [6, 4], names=("a", "b\x1b[2J"))[0].count("\x1b") == 0
