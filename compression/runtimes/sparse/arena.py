"""The arena: one block of memory for all maps, in which maps that are never needed together share their place."""

from dataclasses import dataclass

# Bytes that kernels may read before and after any map, without using the values.
MARGIN = 256
_ALIGNMENT = 64


@dataclass(frozen=True)
class Need:
    """A request for ``size`` bytes from operation ``first`` to operation ``last``, both included."""

    size: int
    first: int
    last: int


def place(needs: list[Need], *, margin: int = MARGIN) -> tuple[list[int], int]:
    """Return the place of each need in bytes, and the size of the arena, with ``margin`` bytes at both ends.

    Large needs are placed first, each at the lowest place that no need of the same time occupies.
    """
    places = [0] * len(needs)
    placed: list[int] = []
    for index in sorted(range(len(needs)), key=lambda index: -needs[index].size):
        need = needs[index]
        rivals = [i for i in placed if needs[i].first <= need.last and need.first <= needs[i].last]
        offset = _align(margin)
        for rival in sorted(rivals, key=places.__getitem__):
            if offset + need.size <= places[rival]:
                break
            offset = max(offset, _align(places[rival] + needs[rival].size))
        places[index] = offset
        placed.append(index)
    end = max((offset + need.size for offset, need in zip(places, needs, strict=True)), default=0)
    return places, _align(end + margin)


def _align(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
