"""What a weight that is not zero costs in the sparse engine: a model of its kernels, so that costs do not vary."""

from torch import nn

# Of one weight at batch 1, with vectors of 8 floats, fitted to measured layers. See docs/sparse_engine.md.
# A change gives other pruned networks, so it needs another VERSION in run/stages/prune.py.
PICOSECONDS, PICOSECONDS_PER_VECTOR = 100, 150
VECTOR = 8
# Above this fraction of MACs of weights that are not zero, a dense engine may be faster.
BREAK_EVEN = 0.5


def weight_picoseconds(layer: nn.Module, positions: int) -> int:
    """Return the picoseconds that one non-zero weight of ``layer`` costs, with ``positions`` pixels in its output.

    A weight is read once and multiplied with every vector of pixels. In a depthwise convolution it costs 0, because
    that kernel does not skip zeros.
    """
    return 0 if is_depthwise(layer) else multiply_picoseconds(positions)


def multiply_picoseconds(positions: int) -> int:
    """Return the picoseconds to multiply one weight with ``positions`` pixels, and to add the products."""
    return PICOSECONDS + PICOSECONDS_PER_VECTOR * -(-positions // VECTOR)


def is_depthwise(layer: nn.Module) -> bool:
    """Return whether each channel of a convolution is computed from one channel."""
    groups = getattr(layer, "groups", 1)
    return groups > 1 and groups == getattr(layer, "in_channels", 0) == getattr(layer, "out_channels", 0)
