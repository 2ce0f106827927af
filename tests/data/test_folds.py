import pytest
import torch

from compression.core.errors import InputError
from compression.data.digits import Digits
from compression.data.folds import assign_folds
from compression.data.image_folder import ImageFolder

NAMES = ("free", "crack", "fray")
LABELS = torch.repeat_interleave(torch.arange(3), torch.tensor([50, 11, 5]))


def test_every_image_is_in_exactly_one_fold_and_every_class_is_spread_evenly():
    folds = assign_folds(LABELS, num_folds=5, class_names=NAMES)
    assert set(folds.tolist()) == {1, 2, 3, 4, 5}
    for label, fewest, most in ((0, 10, 10), (1, 2, 3), (2, 1, 1)):
        counts = torch.bincount(folds[label == LABELS], minlength=6)[1:]
        assert (int(counts.min()), int(counts.max())) == (fewest, most)


def test_folds_are_the_same_again():
    first, again = (assign_folds(LABELS, num_folds=4, class_names=NAMES) for _ in range(2))
    assert torch.equal(first, again)


def test_the_first_folds_by_hand_do_not_change():
    # Long trainings depend on these.
    folds = assign_folds(torch.tensor([0, 0, 0, 0, 1, 1]), num_folds=2, class_names=("a", "b"))
    assert folds.tolist() == [1, 1, 2, 2, 1, 2]


def test_groups_stay_together():
    groups = [str(index // 2) for index in range(len(LABELS))]
    folds = assign_folds(LABELS, num_folds=2, class_names=NAMES, groups=groups)
    for index in range(0, len(LABELS), 2):
        assert len(set(folds[index : index + 2].tolist())) == 1
    assert set(folds.tolist()) == {1, 2}


def test_a_class_with_fewer_images_than_folds_is_refused():
    with pytest.raises(InputError, match=r"data.folds=6: class fray has 5 images; must be at most 5"):
        assign_folds(LABELS, num_folds=6, class_names=NAMES)
    with pytest.raises(InputError, match=r"data.folds=2: class a has 1 groups of images"):
        assign_folds(torch.zeros(4, dtype=torch.int64), num_folds=2, class_names=("a",), groups=["x"] * 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 5}, r"data.folds=5: data.fold is missing; `python train.py data.folds=5` runs all folds as a sweep"),
        ({"folds": 1, "fold": 1}, r"data.folds=1: allowed is an integer from 2 to 100"),
        ({"folds": 5, "fold": 6}, r"data.fold=6: allowed is an integer from 1 to 5"),
        ({"folds": 5, "fold": 0}, r"data.fold=0: allowed is an integer from 1 to 5"),
        ({"fold": 1}, r"data.fold=1: allowed is null without data.folds"),
        ({"sampling": "equal"}, r"data.sampling=equal: allowed is one of natural, balanced"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Digits(**settings)


def test_the_folds_of_digits_test_every_image_once():
    whole = Digits().load(1)
    parts = [Digits(folds=5, fold=fold).load(1) for fold in range(1, 6)]
    tested = torch.cat([one.test.images.flatten(1).long().sum(1) for one in parts])
    every = torch.cat([getattr(whole, part).images.flatten(1).long().sum(1) for part in ("train", "val", "test")])
    assert sorted(tested.tolist()) == sorted(every.tolist())
    assert all(len(one.train) + len(one.val) + len(one.test) == 1797 for one in parts)
    # The seed moves only the held-out images.
    other = Digits(folds=5, fold=2).load(2)
    assert torch.equal(other.test.images, parts[1].test.images)
    assert not torch.equal(other.val.images, parts[1].val.images)


def fingerprints(split):
    return [tuple(image.flatten().tolist()) for image in split.images]


def read_folds(root, num, **settings):
    return [ImageFolder(root=str(root), image_size=8, folds=num, fold=fold, **settings) for fold in range(1, num + 1)]


def test_the_folds_of_a_folder_test_every_image_once_whatever_its_parts(write_folder):
    root = write_folder({"train/cat": 9, "train/dog": 6, "test/cat": 3, "test/dog": 3}, size=(8, 8))
    parts = [dataset.load(0) for dataset in read_folds(root, 3)]
    tested = [one for data in parts for one in fingerprints(data.test)]
    assert len(tested) == len(set(tested)) == 21
    for data in parts:
        trained = {*fingerprints(data.train), *fingerprints(data.val)}
        assert trained == set(tested) - set(fingerprints(data.test))
        assert torch.bincount(data.test.labels).tolist() == [4, 3]
        assert any("data.folds=3 divides all images, those in test and train" in line for line in data.warnings)


def test_folds_depend_on_the_content_of_a_folder_and_not_on_names_or_the_seed(write_folder):
    root = write_folder({"cat": 9, "dog": 6}, size=(8, 8))
    before = [set(fingerprints(dataset.load(0).test)) for dataset in read_folds(root, 3)]
    for path in sorted(root.glob("cat/*")):
        path.rename(path.with_name(f"renamed-{100 - int(path.stem)}.png"))
    assert [set(fingerprints(dataset.load(5).test)) for dataset in read_folds(root, 3)] == before


def test_copies_of_an_image_are_in_the_same_fold(write_folder):
    root = write_folder({"cat": 6, "dog": 6}, size=(8, 8))
    for path in sorted(root.glob("cat/*")):
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
    for dataset in read_folds(root, 3):
        data = dataset.load(0)
        assert not set(fingerprints(data.test)) & {*fingerprints(data.train), *fingerprints(data.val)}


def test_images_are_counted_without_the_test_part_unless_folds_join_it(write_folder):
    root = write_folder({"train/cat": 9, "train/dog": 6, "test/cat": 3, "test/dog": 3}, size=(8, 8))
    assert ImageFolder(root=str(root)).count_images() == (9, 6)
    assert read_folds(root, 3)[0].count_images() == (12, 9)
