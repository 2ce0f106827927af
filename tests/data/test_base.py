import pytest
import torch

from compression.core.errors import InputError
from compression.data.base import Dataset, ImageData, Split
from compression.data.hashing import count_threads


class Pets(Dataset):
    name = "pets"
    class_names = ("cat", "dog")

    def fingerprint(self):
        return "0" * 64

    def load(self, seed, *, cache_dir=None):
        del seed, cache_dir
        return make_data()


class Source:
    """Images made on demand."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.full((3, 4, 4), index, dtype=torch.uint8)


def make_split():
    return Split(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]))


def make_data():
    parts = {part: make_split() for part in ("train", "val", "test")}
    return ImageData("pets", ("cat", "dog"), 4, (0.5,) * 3, (1.0,) * 3, **parts)


def test_a_split_moves_once_to_each_device():
    split = make_split()
    assert split.to("cpu") is split
    moved = split.to("meta")
    assert moved is split.to(torch.device("meta"))
    assert (moved.images.device.type, moved.labels.device.type) == ("meta", "meta")
    assert split.images.device.type == "cpu"


def test_images_made_on_demand_stay_where_they_are():
    source = Source()
    split = Split(source, torch.tensor([0, 1]))
    assert not split.resident
    moved = split.to("meta")
    assert moved.images is source
    assert moved.labels.device.type == "meta"
    assert make_split().resident


def test_images_and_labels_must_have_equal_length():
    with pytest.raises(AssertionError):
        Split(Source(), torch.zeros(3))


def test_classes_are_counted():
    assert make_data().num_classes == 2
    assert len(make_data().train) == 2


def test_workers_by_default_are_the_usable_cores():
    assert Pets().num_workers == count_threads()
    assert Pets(num_workers=0).num_workers == 0


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"image_size": 7}, "image_size"),
        ({"image_size": 2049}, "image_size"),
        # Batch norm cannot train on one image.
        ({"batch_size": 1}, "batch_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"val_fraction": 1.0}, "val_fraction"),
        ({"mean": [0.5]}, "mean"),
        ({"std": [0.5, 0.5, 0.0]}, "std"),
    ],
)
def test_bad_values_are_named_at_once(values, key):
    with pytest.raises(InputError, match=key):
        Pets(**values)


def test_groups_must_name_existing_classes():
    Pets(class_groups={"all": ["cat", "dog"]}).check()
    with pytest.raises(InputError, match="eel"):
        Pets(class_groups={"fish": ["eel"]}).check()
