"""The command ``storage``: all codecs on the weights of one artifact, as a table and as a picture over sparsity."""

from pathlib import Path

from compression.artifact import read_contents
from compression.commands.text_table import format_table
from compression.core.errors import InputError
from compression.reporting.figures import save_figure
from compression.reporting.figures.codecs import draw_codecs
from compression.storage.accounting import order0_bits
from compression.storage.blocks import MAX_DECODED_BYTES, to_array
from compression.storage.comparison import GRID, compare_codecs

_HEADER = (
    "codec",
    "weights, bytes",
    "bits/weight",
    "file, bytes",
    "smaller than dense",
    "encode",
    "decode",
    "beats dense",
)


def compare_storage(path: Path, *, picture: Path, max_bytes: int | None = MAX_DECODED_BYTES) -> str:
    """Return a table of all codecs on an artifact's weights of two or more dimensions, and draw it to ``picture``.

    If the weights have several types, only those of the most frequent type count. The column "file, bytes" is the size
    of the file with that codec for these weights and everything else unchanged. Raises ArtifactError for a damaged
    file, InputError for a file without such weights.
    """
    contents = read_contents(path)
    state = contents.decode(max_bytes=max_bytes)
    weights = [block for block in contents.blocks if len(block.shape) > 1 and block.numel]
    if not weights:
        raise InputError(f"{path} has no weights to compare codecs on; must have a tensor of two dimensions or more")
    dtype = max({block.dtype for block in weights}, key=lambda one: sum(b.numel for b in weights if b.dtype == one))
    weights = [block for block in weights if block.dtype == dtype]
    arrays = {block.names[0]: to_array(state[block.names[0]]) for block in weights}
    numel = sum(block.numel for block in weights)
    rest = contents.file_bytes - sum(block.num_bytes for block in weights)
    results = compare_codecs(arrays)
    dense_bytes = contents.dense_bytes
    rows = [
        (
            result.codec,
            f"{result.num_bytes:,}",
            f"{8 * result.num_bytes / numel:.3f}",
            f"{result.num_bytes + rest:,}",
            f"{dense_bytes / (result.num_bytes + rest):.2f}x" if dense_bytes else "-",
            f"{1000 * result.encode_seconds:,.0f} ms",
            f"{1000 * result.decode_seconds:,.0f} ms",
            "never" if result.break_even is None else f"from {100 * result.break_even:.0f} %",
        )
        for result in sorted(results, key=lambda result: result.num_bytes)
    ]
    zeros = sum(int((array == 0).sum()) for array in arrays.values())
    kind = str(dtype).removeprefix("torch.")
    title = f"{path}: {numel:,} weights, {kind}, {100 * zeros / numel:.2f} % zeros"
    save_figure(
        draw_codecs(
            {result.codec: result.curve for result in results},
            sparsities=GRID,
            title=f"Bits per weight when the smallest weights are zero ({kind})",
        ),
        picture,
    )
    text = f"{title}\n\n{format_table(_HEADER, rows=rows, right=(1, 2, 3, 4, 5, 6))}"
    if all(array.dtype.kind == "i" for array in arrays.values()):
        bound = sum(order0_bits(array) for array in arrays.values()) / 8
        text += f"\n\norder-0 bound of the weights: {bound:,.0f} bytes, {8 * bound / numel:.3f} bits/weight"
    return text
