import torch

from compression.data.sampling import draw_balanced


def draw(counts, seed=0):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels, draw_balanced(labels, generator=torch.Generator().manual_seed(seed))


def test_every_class_occurs_equally_often():
    labels, order = draw((70, 25, 5))
    assert len(order) == 100
    counts = torch.bincount(labels[order])
    assert sorted(counts.tolist()) == [33, 33, 34]


def test_images_of_a_class_come_in_complete_passes():
    labels, order = draw((70, 25, 5))
    for label, most in ((0, 1), (1, 2), (2, 7)):
        own = torch.bincount(order, minlength=100)[labels == label]
        assert int(own.max()) <= most
        assert int(own.max() - own.min()) <= 1


def test_the_order_is_random_and_depends_on_the_generator_alone():
    labels, order = draw((70, 25, 5))
    assert torch.equal(order, draw((70, 25, 5))[1])
    assert not torch.equal(order, draw((70, 25, 5), seed=1)[1])
    # The classes are mixed: no half of an epoch lacks one.
    assert all(torch.bincount(labels[half], minlength=3).min() > 5 for half in order.split(50))


def test_over_epochs_all_images_of_a_large_class_are_seen():
    seen = torch.cat([draw((90, 10), seed=seed)[1] for seed in range(8)]).unique()
    assert len(seen) == 100


def test_absent_classes_and_fewer_images_than_classes():
    labels = torch.tensor([3, 3, 3, 9])
    order = draw_balanced(labels, generator=torch.Generator().manual_seed(0))
    assert torch.bincount(labels[order], minlength=10)[[3, 9]].tolist() == [2, 2]
