import torch

from compression.core.seeding import derive_seed, make_generator


def test_seeds_are_frozen():
    """Stored results depend on these seeds: a change of them needs a new version of every stage."""
    assert derive_seed(42, "augment", 0) == 1331766366212326417


def test_seeds_differ_by_every_part():
    seeds = {derive_seed(seed, purpose, epoch) for seed in range(5) for purpose in "ab" for epoch in range(5)}
    assert len(seeds) == 50
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators_repeat():
    first, second = (torch.rand(3, generator=make_generator(1, "x")) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(3, generator=make_generator(1, "y")))
