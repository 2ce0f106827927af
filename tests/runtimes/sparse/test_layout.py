import numpy as np
import pytest

from compression.runtimes.sparse.layout import OUTSIDE, Packing, cut, lay_out
from compression.runtimes.sparse.program import Map, Window


def test_a_pointwise_convolution_reads_the_map_as_it_is() -> None:
    layout = lay_out(Map(4, 8, 8), Map(9, 8, 8), Window(kernel=(1, 1)), vector=16, lanes=1)
    assert layout.packing is None
    assert layout.sources.tolist() == layout.targets.tolist() == [0, 16, 32, 48]


def test_the_last_vector_overlaps() -> None:
    layout = lay_out(Map(4, 7, 7), Map(9, 7, 7), Window(kernel=(1, 1)), vector=16, lanes=1)
    assert layout.targets.tolist() == [0, 16, 32, 33]


def test_taps_that_only_meet_padding_are_dropped() -> None:
    window = Window(kernel=(3, 3), padding=(1, 1))
    layout = lay_out(Map(4, 1, 1), Map(4, 1, 1), window, vector=16, lanes=1)
    assert layout.packing is None
    assert (layout.taps != OUTSIDE).sum() == 1


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [3, 5, 8, 17])
def test_every_tap_finds_its_pixel(size: int, stride: int, lanes: int) -> None:
    window = Window(kernel=(3, 2), stride=(stride, stride), padding=(2, 1), dilation=(2, 1))
    length = (size + 2 * 2 - 5) // stride + 1, (size + 2 * 1 - 2) // stride + 1
    target = Map(1, *length)
    layout = lay_out(Map(1, size, size), target, window, vector=8, lanes=lanes)
    places = np.arange(size * size) if layout.packing is None else layout.packing.places
    for source, first in zip(layout.sources, layout.targets, strict=True):
        for lane in range(layout.width):
            y, x = divmod(first + lane, target.width)
            for ky, kx in np.ndindex(3, 2):
                row, column = y * stride + 2 * ky - 2, x * stride + kx - 1
                inside = 0 <= row < size and 0 <= column < size
                if layout.taps[ky, kx] == OUTSIDE:
                    assert not inside
                else:
                    expected = row * size + column if inside else OUTSIDE
                    assert places[source + lane + layout.taps[ky, kx]] == expected


@pytest.mark.parametrize("step", [1, 2, 3])
def test_pieces_hold_the_packed_plane(step: int) -> None:
    rng = np.random.default_rng(step)
    places = np.arange(0, 32 * step, step)
    places[rng.random(32) < 0.3] = OUTSIDE
    pieces = cut(Packing(places), vector=16)
    windows = np.stack(
        [pieces.first[:, None] + np.arange(pieces.width), pieces.second[:, None] + np.arange(pieces.width)]
    )
    both = np.concatenate([windows[0], windows[1]], axis=1)
    found = np.where(pieces.mask, np.take_along_axis(both, pieces.lanes, axis=1), OUTSIDE)
    assert found.reshape(-1).tolist() == places.tolist()
    assert pieces.shifted == (step == 1)
