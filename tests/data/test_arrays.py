import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from compression.data.arrays import assemble, hash_arrays, resize_images, to_grey
from compression.data.digits import Digits


def test_hash_by_hand():
    arrays = {"images": np.array([[1, 2]], dtype=np.uint8), "labels": np.array([3], dtype=np.uint8)}
    expected = hashlib.sha256(b"images uint8 (1, 2)\n\x01\x02labels uint8 (1,)\n\x03").hexdigest()
    assert hash_arrays(arrays) == expected
    # The hash covers the content, not the memory layout.
    assert hash_arrays({**arrays, "images": np.array([[1, 0, 2]], dtype=np.uint8)[:, ::2]}) == expected


@pytest.mark.parametrize(
    "other",
    [
        {"b": np.arange(4, dtype=np.uint8)},
        {"a": np.arange(4, dtype=np.int8)},
        {"a": np.arange(4, dtype=np.uint8).reshape(2, 2)},
        {"a": np.arange(1, 5, dtype=np.uint8)},
    ],
    ids=["name", "type", "shape", "content"],
)
def test_names_types_shapes_and_content_are_in_the_hash(other):
    assert hash_arrays(other) != hash_arrays({"a": np.arange(4, dtype=np.uint8)})


def test_images_of_the_right_size_are_not_copied():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    assert resize_images(images, size=8) is images


def test_resizing_averages_and_does_not_depend_on_chunks():
    images = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    images[:, :, :, 4:] = 200
    images[3] = 7
    small = resize_images(images, size=4, chunk=2)
    assert small.dtype == torch.uint8
    assert torch.equal(small, resize_images(images, size=4))
    # Antialiasing smooths the step between the halves. Away from the step both halves keep their values.
    assert small[0, 0, 0].tolist()[::3] == [0, 200]
    assert 0 < small[0, 0, 0, 1] < small[0, 0, 0, 2] < 200
    assert (small[3] == 7).all()


def make_part(*levels):
    images = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    return images, torch.arange(len(levels)) % 2


def test_parts_of_a_data_set():
    """A tenth of each class becomes validation images; grey levels identify the twenty images."""
    dataset = Digits(image_size=8, val_fraction=0.1)
    train, test = make_part(*range(20)), make_part(100, 101)
    data = assemble(dataset, train=train, test=test, seed=3)
    assert [len(part) for part in (data.train, data.val, data.test)] == [18, 2, 2]
    assert sorted(data.val.labels.tolist()) == [0, 1]
    for part in (data.train, data.val):
        assert torch.equal(part.images[:, 0, 0, 0] % 2, part.labels)
    levels = [int(level) for part in (data.train, data.val) for level in part.images[:, 0, 0, 0]]
    assert sorted(levels) == list(range(20))
    assert torch.equal(data.test.images, test[0])
    kept = data.train.images[:, 0, 0, 0].double() / 255
    assert data.mean == pytest.approx([kept.mean().item()] * 3)
    assert data.std == pytest.approx([kept.std(correction=0).item()] * 3)


def test_a_given_normalization_is_kept():
    dataset = Digits(image_size=8, mean=[0.1, 0.2, 0.3])
    data = assemble(dataset, train=make_part(*range(20)), test=make_part(0), seed=3)
    assert data.mean == (0.1, 0.2, 0.3)
    assert data.std != (1, 1, 1)


def test_grey_is_pillows_bit_for_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    pixels[0] = np.arange(256).repeat(40 * 50 * 3 // 256 + 1)[: 40 * 50 * 3].reshape(40, 50, 3)
    grey = to_grey(torch.from_numpy(pixels).permute(0, 3, 1, 2), chunk=2)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in pixels])
    assert grey.shape == (3, 1, 40, 50)
    assert np.array_equal(grey[:, 0].numpy(), expected)
