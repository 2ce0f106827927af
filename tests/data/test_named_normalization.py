import pytest

from compression.core.errors import InputError
from compression.data.cifar10 import Cifar10
from compression.data.digits import Digits
from compression.data.named_normalization import choose_normalization

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("cifar10", CIFAR10_MEAN, (0.2470, 0.2435, 0.2616)),
        ("cifar10_alt", CIFAR10_MEAN, (0.2023, 0.1994, 0.2010)),
        ("measured", None, None),
    ],
)
def test_a_name_stands_for_its_numbers(name, mean, std):
    assert choose_normalization(name, mean=None, std=None, channels=3) == (mean, std)
    assert choose_normalization(name, mean=mean, std=None, channels=3) == (mean, std)
    digits, cifar10 = Digits(normalization=name), Cifar10(normalization=name)
    assert (digits.mean, digits.std) == (cifar10.mean, cifar10.std) == (mean, std)


def test_without_a_name_the_given_numbers_count():
    assert choose_normalization(None, mean=(0.5,) * 3, std=None, channels=3) == ((0.5,) * 3, None)
    assert (Cifar10().mean, Cifar10().std) == (CIFAR10_MEAN, (0.2470, 0.2435, 0.2616))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"normalization": "mean"},
            "data.normalization=mean: allowed is null, imagenet, cifar10, cifar10_alt or measured",
        ),
        (
            {"normalization": "imagenet", "mean": [0.5, 0.5, 0.5]},
            "data.mean=[0.5, 0.5, 0.5] contradicts data.normalization=imagenet: give one of them",
        ),
        (
            {"normalization": "measured", "std": [0.5, 0.5, 0.5]},
            "data.std=[0.5, 0.5, 0.5] contradicts data.normalization=measured: give one of them",
        ),
        (
            {"normalization": "imagenet", "channels": 1},
            "data.normalization=imagenet has three channels, and data.channels=1: allowed is null or measured",
        ),
    ],
)
@pytest.mark.parametrize("dataset", [Digits, Cifar10])
def test_a_wrong_or_contradicted_name_is_refused(dataset, settings, line):
    with pytest.raises(InputError) as caught:
        dataset(**settings)
    assert str(caught.value) == line


def test_grey_images_may_be_measured():
    assert Digits(normalization="measured", channels=1).mean is None
