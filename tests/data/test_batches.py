from itertools import pairwise

import pytest
import torch

from compression.data.augment import Augment
from compression.data.base import ImageData, Split
from compression.data.batches import Batches
from compression.data.image_folder import ImageFolder
from compression.data.normalization import normalize

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
FULL = Augment(crop_padding=2, horizontal_flip=True, colour_jitter=0.2)


def make_split(length=50, size=8):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (length, 3, size, size), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(length))


def make(split=None, **options):
    options = {"batch_size": 16, "device": "cpu", "mean": MEAN, "std": STD} | options
    return Batches(split=split or make_split(), **options)


def collect(batches):
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(collect(one), collect(other), strict=True))


def test_plain_batches_are_the_normalized_images_in_order():
    split = make_split()
    batches = make(split)
    assert [len(labels) for _, labels in batches] == [16, 16, 16, 2]
    assert len(batches) == 4
    images, labels = collect(batches)
    assert labels.tolist() == list(range(50))
    assert torch.equal(images, normalize(split.images, mean=MEAN, std=STD))
    first, _ = next(iter(batches))
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert first.dtype == torch.float32


@pytest.mark.parametrize(
    ("length", "options", "sizes"),
    [
        (17, {}, [16, 1]),
        (17, {"shuffle": True}, [16]),
        (18, {"shuffle": True}, [16, 2]),
        (32, {"shuffle": True}, [16, 16]),
        (1, {"shuffle": True}, [1]),
        (3, {"shuffle": True, "batch_size": 1}, [1, 1, 1]),
    ],
)
def test_batch_counts(length, options, sizes):
    batches = make(make_split(length), **options)
    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)


def test_shuffled_pass_holds_every_image_once_with_its_label():
    split = make_split()
    images, labels = collect(make(split, shuffle=True, seed=3))
    assert labels.tolist() != list(range(50))
    assert sorted(labels.tolist()) == list(range(50))
    assert torch.equal(images, normalize(split.images[labels], mean=MEAN, std=STD))


def test_passes_repeat_until_set_epoch():
    batches = make(shuffle=True, augment=FULL)
    assert same(batches, batches)
    before = collect(batches)
    batches.sampler.set_epoch(1)
    assert not torch.equal(collect(batches)[1], before[1])
    batches.set_epoch(0)
    assert torch.equal(collect(batches)[0], before[0])


def test_a_resumed_epoch_equals_that_of_an_uninterrupted_run():
    running, resumed = (make(shuffle=True, augment=FULL, seed=9) for _ in range(2))
    for epoch in range(4):
        running.set_epoch(epoch)
        undisturbed = collect(running)
    resumed.set_epoch(3)
    assert all(torch.equal(a, b) for a, b in zip(undisturbed, collect(resumed), strict=True))


def test_epochs_and_seeds_differ():
    passes = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        batches = make(shuffle=True, augment=FULL, seed=seed)
        batches.set_epoch(epoch)
        passes.append(collect(batches)[0])
    assert not any(torch.equal(a, b) for a, b in pairwise(passes))
    assert not torch.equal(passes[0], passes[2])


def test_epoch_is_read_at_the_first_batch():
    batches = make(shuffle=True)
    early = iter(batches)
    batches.set_epoch(2)
    assert torch.equal(next(early)[1], next(iter(batches))[1])


def test_global_generator_is_left_alone(split_folder):
    data = ImageFolder(root=str(split_folder), resident=False).load(0)
    state = torch.get_rng_state()
    for split in (make_split(), data.train):
        for _ in make(split, shuffle=True, augment=FULL):
            pass
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def held_and_streamed(split_folder) -> tuple[ImageData, ImageData]:
    held, streamed = (
        ImageFolder(root=str(split_folder), image_size=24, resident=resident).load(0) for resident in (True, False)
    )
    return held, streamed


# Python 3.12 and later warn about any fork in a process with threads. The workers use nothing that the threads lock.
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("augment", [None, FULL])
def test_streamed_batches_equal_resident_ones(held_and_streamed, num_workers, augment):
    held, streamed = (
        make(data.train, batch_size=7, shuffle=True, augment=augment, seed=4, num_workers=num_workers)
        for data in held_and_streamed
    )
    assert len(held) == len(streamed) == 5
    for epoch in (0, 1):
        held.set_epoch(epoch)
        streamed.set_epoch(epoch)
        assert same(held, streamed)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_abandoned_pass_does_not_disturb_the_next(held_and_streamed):
    held, streamed = (make(data.train, shuffle=True, batch_size=4, num_workers=2) for data in held_and_streamed)
    next(iter(streamed))
    streamed.set_epoch(1)
    held.set_epoch(1)
    assert same(held, streamed)


def test_readers_share_one_copy_per_device():
    split = make_split()
    assert make(split).split is split
    assert split.to("meta") is split.to("meta")
    assert split.to("meta").images.device.type == "meta"


@pytest.mark.parametrize("length", [48, 49, 51, 53])
def test_shares_are_the_batch_without_overlap(length):
    """Two processes take half of every batch each; a last batch with fewer than two images per process is left out."""
    whole = make(make_split(length), shuffle=True, seed=3)
    shares = [make(make_split(length), shuffle=True, seed=3, num_shares=2, share=share) for share in range(2)]
    counts = {48: 3, 49: 3, 51: 3, 53: 4}
    assert [len(share) for share in shares] == [counts[length]] * 2
    for (_, labels), (_, first), (_, second) in zip(whole, *shares, strict=False):
        assert sorted([*first.tolist(), *second.tolist()]) == sorted(labels.tolist())
        assert len(first) - len(second) in (0, 1)


def test_shares_draw_different_noise():
    split = Split(make_split(1).images.expand(32, -1, -1, -1), torch.zeros(32, dtype=torch.long))
    first, second = (collect(make(split, augment=FULL, num_shares=2, share=share))[0] for share in range(2))
    assert not torch.equal(first, second)


def rare_split(counts=(40, 8, 2)):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (len(labels), 3, 8, 8), dtype=torch.uint8, generator=generator)
    return Split(images, labels)


def test_balanced_batches_have_as_many_images_and_every_class_equally_often():
    batches = make(rare_split(), shuffle=True, balanced=True, batch_size=8)
    assert len(batches) == len(make(rare_split(), shuffle=True, batch_size=8)) == 7
    for epoch in range(3):
        batches.set_epoch(epoch)
        _, labels = collect(batches)
        assert sorted(torch.bincount(labels).tolist()) == [16, 17, 17]


def test_a_balanced_epoch_can_be_repeated_and_differs_from_others():
    first, second = (make(rare_split(), shuffle=True, balanced=True, augment=FULL, seed=3) for _ in range(2))
    first.set_epoch(4)
    # As a resumed training does: other epochs were not drawn before.
    for _ in first:
        pass
    second.set_epoch(4)
    assert same(first, second)
    second.set_epoch(5)
    assert not same(first, second)


def test_balanced_images_have_their_own_labels_also_when_streamed_and_shared():
    split = rare_split()
    images, labels = collect(make(split, shuffle=True, balanced=True))
    of_image = {tuple(image.flatten().tolist()): int(label) for image, label in zip(*collect(make(split)), strict=True)}
    assert all(of_image[tuple(i.flatten().tolist())] == int(label) for i, label in zip(images, labels, strict=True))
    streamed = Split(Streamed(split.images), split.labels)
    assert same(make(split, shuffle=True, balanced=True), make(streamed, shuffle=True, balanced=True))
    shares = [make(split, shuffle=True, balanced=True, batch_size=10, num_shares=2, share=share) for share in range(2)]
    shared = torch.cat([collect(one)[1] for one in shares])
    assert torch.equal(shared.bincount(), labels.bincount())


class Streamed:
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]
