"""The records that kernels/program.h declares, as types of NumPy."""

import numpy as np

_FIELDS = (
    *("kind", "width", "source", "target", "other", "groups", "channels", "rows", "source_plane", "target_plane"),
    *("tiles", "tile_table", "weights", "offsets", "starts", "bias", "units"),
    *("pack", "pack_width", "pieces", "piece_table", "packed", "packed_plane", "size", "function"),
    *("columns", "stride", "together", "all_rows"),
)
OPERATION = np.dtype([(name, "<i8") for name in _FIELDS] + [(name, "<f4") for name in ("low", "high", "fill", "slope")])
TILE = np.dtype([("vectors", "<i4"), ("contiguous", "<i4"), ("source", "<i4", 8), ("target", "<i4", 8)])
TAP = np.dtype([("tap", "<i4"), ("offset", "<i4")])
PIECE = np.dtype([("first", "<i4"), ("second", "<i4")])

# As kernels/program.h names and numbers them.
KINDS = (
    "IMPORT",
    "EXPORT",
    "CONVOLUTION",
    "MAXIMUM",
    "POOL",
    "UNARY",
    "BINARY",
    "COPY",
    "DEPTHWISE",
    "PACK",
    "RESCALE",
    "NOTHING",
)
IMPORT, EXPORT, CONVOLUTION, MAXIMUM, POOL, UNARY, BINARY, COPY, DEPTHWISE, PACK, RESCALE, NOTHING = range(len(KINDS))
DEPTHWISE_PLANES, DEPTHWISE_SMALL, DEPTHWISE_LANES, DEPTHWISE_ROWS = range(4)
PACK_NOTHING, PACK_SHIFTED, PACK_PERMUTED, PACK_WHOLE = range(4)
FUNCTIONS = {
    name: i
    for i, name in enumerate(
        ("relu", "sigmoid", "silu", "hardsigmoid", "hardswish", "tanh", "leaky_relu", "round", "scale")
    )
}
MERGES = {"add": 0, "multiply": 1}
FLOAT = 4
