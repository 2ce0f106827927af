import pytest

from compression.core.errors import InputError
from compression.data.augment import Augment
from compression.data.digits import Digits
from compression.data.image_folder import ImageFolder


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("image_size", 0, "an integer from 8 to 2048"),
        ("image_size", "big", "an integer from 8 to 2048"),
        ("image_size", True, "an integer from 8 to 2048"),
        ("batch_size", 0, "auto or an integer from 2"),
        ("batch_size", "large", "auto or an integer from 2"),
        ("num_workers", -1, "auto or an integer from 0"),
        ("val_fraction", 0, "a number above 0 and below 1"),
        ("val_fraction", 1.0, "a number above 0 and below 1"),
        ("val_fraction", "half", "a number above 0 and below 1"),
        ("mean", [0.5], "null or three numbers"),
        ("mean", "0.5", "null or three numbers"),
        ("std", [0.5, 0.0, 0.5], "null or three numbers above 0"),
        ("channels", 2, "3 (RGB) or 1 (grey)"),
        ("channels", True, "3 (RGB) or 1 (grey)"),
        ("channels", 3.0, "3 (RGB) or 1 (grey)"),
        ("augment", 3, "a mapping with the keys crop_padding, horizontal_flip, colour_jitter"),
        ("augment", {"crop_padding": -1}, "an integer from 0"),
        ("augment", {"horizontal_flip": "yes"}, "true or false"),
        ("augment", {"colour_jitter": -0.1}, "a number from 0"),
        ("augment", {"colour_jitter": float("nan")}, "a number from 0"),
        ("augment", {"rotate": 1}, "allowed are crop_padding"),
        ("class_groups", ["0"], "a mapping of group names to lists of class names"),
        ("class_groups", {"low": "0"}, "a list of class names"),
    ],
)
def test_bad_value_is_refused_in_one_line_that_names_it(option, value, allowed):
    with pytest.raises(InputError) as caught:
        Digits(**{option: value})
    message = str(caught.value)
    assert message.startswith(f"data.{option}")
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("test_fraction", 1, "a number above 0 and below 1"),
        ("skip_corrupt", "yes", "true or false"),
        ("resident", "maybe", "auto, true or false"),
        ("resident_limit_mib", 0, "an integer from 1"),
        ("root", 3, "the path of a folder"),
        ("root", "", "the path of a folder"),
    ],
)
def test_bad_folder_option_is_refused(option, value, allowed):
    with pytest.raises(InputError, match=f"data.{option}={value}.*{allowed}"):
        ImageFolder(**{"root": "anywhere", option: value})


def test_group_with_unknown_class_is_refused():
    with pytest.raises(InputError, match=r"data\.class_groups\.animals=cat: allowed is one of the classes 0, 1"):
        Digits(class_groups={"animals": ["cat"]}).check()


def test_class_in_two_groups_is_refused():
    with pytest.raises(InputError, match="class 1 is in low and in odd"):
        Digits(class_groups={"low": ["0", "1"], "odd": ["1"]}).check()


def test_options_become_plain_typed_values():
    dataset = Digits(mean=[0, 0.5, 1], augment={"crop_padding": 2}, class_groups={"low": ["0", "1"]})
    assert dataset.mean == (0.0, 0.5, 1.0)
    assert dataset.augment == Augment(crop_padding=2)
    assert dataset.class_groups == {"low": ("0", "1")}
    assert isinstance(Digits(num_workers="auto").num_workers, int)


def test_augment_does_nothing_by_default():
    assert Augment.parse(None) == Augment(crop_padding=0, horizontal_flip=False, colour_jitter=0.0)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("fit", "zoom", "one of auto, crop, pad, stretch"),
        ("fit", True, "one of auto, crop, pad, stretch"),
        ("background", "pink", "null, white, grey, black or [red, green, blue], each from 0 to 255"),
        ("background", [0, 0, 256], "[red, green, blue], each from 0 to 255"),
        ("background", [0, 0], "[red, green, blue], each from 0 to 255"),
        ("value_range", [1, 1], "null or [low, high], two numbers that rise"),
        ("value_range", [0, float("inf")], "null or [low, high], two numbers that rise"),
        ("value_range", 255, "null or [low, high], two numbers that rise"),
    ],
)
def test_bad_values_of_image_files_are_refused(option, value, allowed):
    with pytest.raises(InputError) as caught:
        ImageFolder(root="pictures", **{option: value})
    assert str(caught.value).startswith(f"data.{option}={value}: allowed is ")
    assert str(caught.value).endswith(allowed)


def test_grey_images_have_one_number_for_mean_and_std():
    dataset = Digits(channels=1, mean=[0.5], std=[0.25])
    assert (dataset.mean, dataset.std) == ((0.5,), (0.25,))
    with pytest.raises(InputError, match=r"data.mean=\[0.5, 0.5, 0.5\]: allowed is null or a list of one number"):
        Digits(channels=1, mean=[0.5, 0.5, 0.5])
