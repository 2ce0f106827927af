import random

from compression.runtimes.sparse.arena import MARGIN, Need, place


def test_needs_of_different_times_share_memory() -> None:
    places, size = place([Need(1000, 0, 1), Need(1000, 2, 3)])
    assert places[0] == places[1]
    assert size < 2000 + 2 * MARGIN


def test_needs_of_the_same_time_never_overlap() -> None:
    rng = random.Random(0)
    needs = [Need(rng.randint(1, 5000), first := rng.randint(0, 20), first + rng.randint(0, 5)) for _ in range(60)]
    places, size = place(needs)
    for i, one in enumerate(needs):
        assert places[i] % 64 == 0
        assert MARGIN <= places[i] <= size - MARGIN - one.size
        for j, other in enumerate(needs[:i]):
            if one.first <= other.last and other.first <= one.last:
                # The 64 bytes that a map ends in belong to it alone.
                assert (
                    places[i] >= places[j] + -(-other.size // 64) * 64
                    or places[j] >= places[i] + -(-one.size // 64) * 64
                )
