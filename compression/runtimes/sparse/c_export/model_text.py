"""The files of an exported network: model.h, model.c, and the tables and kernels that model.c includes."""

from dataclasses import dataclass

import numpy as np

from compression.core.errors import InputError
from compression.core.preparation import Preparation
from compression.runtimes.sparse.c_export.c_text import (
    LONGEST_STRING,
    count_bytes,
    format_float,
    format_values,
    quote,
    type_name,
)
from compression.runtimes.sparse.c_export.table_members import CTables
from compression.runtimes.sparse.encoding.structures import CONVOLUTION, KINDS, OPERATION


@dataclass(frozen=True)
class CModel:
    """What the texts of a network are made from. ``shape`` is that of an image: channels, height, width."""

    tables: CTables
    arena_bytes: int
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    vector: int
    preparation: Preparation

    @property
    def table_bytes(self) -> int:
        """The bytes of constants: tables and operations."""
        return self.tables.members.size + self.tables.operations.nbytes

    @property
    def memory_bytes(self) -> int:
        """The bytes of static memory that change: the arena, and a row of a small table."""
        return self.arena_bytes + 8 * (self.tables.longest_row or 0)

    def describe_tables(self) -> str:
        """Return in a sentence what the tables are made for."""
        tables = self.tables
        if tables.longest_row is None:
            return "tables for speed: 32-bit weights and offsets"
        count = int((tables.operations["kind"] == CONVOLUTION).sum())
        return (
            f"tables for size: of {count} convolutions, {tables.num_narrow} have 16-bit offsets and "
            f"{tables.num_listed} have 8-bit weights; no weight was changed"
        )


def check_class_names(names: tuple[str, ...]) -> None:
    """Raise InputError for a name that is longer than a string of standard C, or that C would end early."""
    for index, name in enumerate(names):
        if count_bytes(name) > LONGEST_STRING:
            raise InputError(f"class {index}: its name has {count_bytes(name):,} bytes; allowed: {LONGEST_STRING:,}")
        if "\0" in name:
            raise InputError(f"class {index}: its name {name!r:.40} holds a zero character, which ends a string of C")


def write_header(model: CModel) -> str:
    """Return model.h."""
    channels, height, width = model.shape
    mean, std = (", ".join(format_float(float(np.float32(x))) for x in values) for values in (model.mean, model.std))
    return f"""\
/* A classifier of images. model_run reads one image [channels, height, width] and writes one logit per class. A value x
 * in [0, 1] of channel c is given as (x - model_mean[c]) / model_std[c].
{_explain_pixels(model)}
 * It uses static memory, so one thread at a time may call it.
 */
#ifndef MODEL_H
#define MODEL_H

#define MODEL_CHANNELS {channels}
#define MODEL_HEIGHT {height}
#define MODEL_WIDTH {width}
#define MODEL_INPUT_SIZE {channels * height * width}
#define MODEL_NUM_CLASSES {len(model.class_names)}
#define MODEL_FIT "{model.preparation.fit}"
#define MODEL_BACKGROUND {{{", ".join(map(str, model.preparation.background or (0, 0, 0)))}}}
#define MODEL_TABLE_BYTES {model.table_bytes}
#define MODEL_MEMORY_BYTES {model.memory_bytes}

extern const char *const model_class_names[MODEL_NUM_CLASSES];
extern const float model_mean[MODEL_CHANNELS], model_std[MODEL_CHANNELS];
/* The initialisers of both, for programs that want them at compile time. */
#define MODEL_MEAN {{{mean}}}
#define MODEL_STD {{{std}}}

void model_run(const float image[MODEL_INPUT_SIZE], float logits[MODEL_NUM_CLASSES]);

#endif
"""


def _explain_pixels(model: CModel) -> str:
    """Return lines of a comment: how the program that calls the model makes its image."""
    channels, height, width = model.shape
    colour = "Channels are red, green and blue."
    if channels == 1:
        colour = "The channel is grey: 0.299 red + 0.587 green + 0.114 blue."
    square = {
        "crop": f"Cut the centre square out of a photograph, and resize it to {width} x {height} pixels.",
        "pad": f"Resize a photograph so that its longer side has {width} pixels, and centre it on MODEL_BACKGROUND.",
        "stretch": f"Resize a photograph to {width} x {height} pixels, whatever its format is.",
    }[model.preparation.fit]
    lines = [colour, square]
    if model.preparation.value_range is not None:
        low, high = model.preparation.value_range
        lines.append(f"Values beyond 8 bits: {low:g} is 0 and {high:g} is 1.")
    return "\n".join(f" * {line}" for line in lines)


def write_source(model: CModel) -> str:
    """Return model.c."""
    names = ",\n".join(f"    {quote(name)}" for name in model.class_names)
    return f"""\
#include "model.h"
#include "model_kernels.h"
#include "model_tables.h"

const char *const model_class_names[MODEL_NUM_CLASSES] = {{
{names},
}};
const float model_mean[MODEL_CHANNELS] = MODEL_MEAN, model_std[MODEL_CHANNELS] = MODEL_STD;

/* All maps of the network. */
static _Alignas(64) float arena[{model.arena_bytes // 4}];

void model_run(const float image[MODEL_INPUT_SIZE], float logits[MODEL_NUM_CLASSES])
{{
    run(operations, {len(model.tables.operations)}, (char *)arena, (const char *)&tables, image, logits);
}}
"""


def write_tables(model: CModel) -> str:
    """Return model_tables.h: the constants, and the operations that point to them."""
    arrays = model.tables.members.arrays
    fields = "\n".join(f"    {type_name(x)} t{i}[{len(x)}];" for i, x in enumerate(arrays))
    values = ",\n".join(f"{{{format_values(x)}}}" for x in arrays)
    # The operations point to places in bytes, so the compiler must not lay the arrays out in another way.
    last = model.tables.members.size - arrays[-1].nbytes
    operations = ",\n".join(_write_operation(op) for op in model.tables.operations)
    return f"""\
#include <stddef.h>

static const _Alignas(64) struct model_tables {{
{fields}
}} tables = {{
{values}
}};
_Static_assert(offsetof(struct model_tables, t{len(arrays) - 1}) == {last}, "no gaps");
static const Operation operations[] = {{
{operations}
}};
"""


def _write_operation(op: np.void) -> str:
    parts = [f".kind = {KINDS[op['kind']]}"]
    assert OPERATION.names is not None
    for name in OPERATION.names[1:]:
        if op[name] != 0:
            value = format_float(float(op[name])) if OPERATION[name].kind == "f" else str(op[name])
            parts.append(f".{name} = {value}")
    return "    {" + ", ".join(parts) + "}"
