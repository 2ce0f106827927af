import pytest
import torch
from sklearn.datasets import load_digits

from compression.data.digits import Digits


@pytest.fixture(scope="module")
def data():
    return Digits().load(42)


def rows(images):
    return {image.numpy().tobytes() for image in images}


def test_sizes_and_types(data):
    assert [len(split) for split in (data.train, data.val, data.test)] == [1293, 144, 360]
    assert data.train.images.shape == (1293, 3, 32, 32)
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64
    assert data.train.resident
    assert data.num_classes == 10
    assert data.class_names == tuple("0123456789")


def test_every_part_is_stratified(data):
    for split in (data.train, data.val, data.test):
        counts = torch.bincount(split.labels)
        assert counts.max() - counts.min() <= 0.05 * len(split)


def test_grey_levels_at_their_own_size():
    data = Digits(image_size=8).load(0)
    bunch = load_digits()
    expected = rows((torch.from_numpy(bunch.images) * (255 / 16)).round().to(torch.uint8))
    images = torch.cat([split.images for split in (data.train, data.val, data.test)])
    assert rows(images[:, 0]) == expected
    assert torch.equal(images[:, 0], images[:, 2])
    assert images.max() == 255


def test_test_split_is_fixed_and_validation_follows_the_seed(data):
    other = Digits().load(7)
    assert torch.equal(data.test.images, other.test.images)
    assert torch.equal(data.test.labels, other.test.labels)
    assert rows(data.val.images) != rows(other.val.images)
    again = Digits().load(42)
    assert torch.equal(again.val.images, data.val.images)
    assert torch.equal(again.train.images, data.train.images)


def test_normalization_is_measured_from_training_images_or_given(data):
    values = data.train.images.double() / 255
    assert data.mean == pytest.approx(values.mean(dim=(0, 2, 3)).tolist(), abs=1e-9)
    assert data.std == pytest.approx(values.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-9)
    given = Digits(mean=[0.1, 0.2, 0.3], std=[1, 2, 3]).load(42)
    assert (given.mean, given.std) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


def test_fingerprint_is_the_hash_of_the_arrays():
    assert Digits().fingerprint() == Digits(image_size=8).fingerprint()
    assert len(Digits().fingerprint()) == 64


def test_check_finds_nothing():
    Digits(class_groups={"low": ["0", "1", "2"]}).check()


def test_grey_digits_are_one_of_three_equal_channels():
    colour, grey = (Digits(image_size=16, channels=channels).load(0) for channels in (3, 1))
    assert grey.train.images.shape[1:] == (1, 16, 16)
    assert torch.equal(grey.test.images, colour.test.images[:, :1])
    assert (grey.mean, grey.std) == (colour.mean[:1], colour.std[:1])
