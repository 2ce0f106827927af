"""test_model.c, which runs an exported network on images with known logits, and the README of its folder."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.core.sizes import format_size
from compression.runtimes.sparse.c_export.c_text import format_values
from compression.runtimes.sparse.c_export.model_text import CModel


@dataclass(frozen=True)
class TestImages:
    """Images that the exported program checks itself with.

    ``pixels: [B, C, H, W]`` are uint8, ``logits: [B, C]`` are those of PyTorch, and ``origin`` says in words where the
    images come from. ``tolerance`` is the largest difference of a logit that passes, as a fraction of the largest one.
    """

    # pytest would take the name for tests.
    __test__ = False

    pixels: NDArray[np.uint8]
    logits: NDArray[np.float32]
    origin: str
    tolerance: float


def write_test(images: TestImages) -> str:
    """Return test_model.c."""
    count = len(images.pixels)
    pixels = ",\n".join(f"{{{format_values(x.reshape(-1))}}}" for x in images.pixels)
    logits = ",\n".join(f"{{{format_values(x)}}}" for x in images.logits.astype(np.float32))
    return f"""\
/* Runs the model on {count} images and compares its logits with those of PyTorch.
   The exit status is 0 if all agree, and no logit differs by more than {100 * images.tolerance:g} % of the largest. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define NUM_IMAGES {count}

static const unsigned char pixels[NUM_IMAGES][MODEL_INPUT_SIZE] = {{
{pixels}
}};
static const float expected[NUM_IMAGES][MODEL_NUM_CLASSES] = {{
{logits}
}};

static float image[MODEL_INPUT_SIZE], logits[MODEL_NUM_CLASSES];

static int largest(const float *values)
{{
    int best = 0;
    for (int i = 1; i < MODEL_NUM_CLASSES; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}}

static void prepare(int number)
{{
    const int size = MODEL_HEIGHT * MODEL_WIDTH;
    for (int i = 0; i < MODEL_INPUT_SIZE; i++)
        image[i] = ((float)pixels[number][i] / 255.0f - model_mean[i / size]) / model_std[i / size];
}}

int main(void)
{{
    int agree = 0;
    float difference, error = 0.0f, size = 0.0f;
    for (int n = 0; n < NUM_IMAGES; n++) {{
        prepare(n);
        model_run(image, logits);
        for (int i = 0; i < MODEL_NUM_CLASSES; i++) {{
            difference = fabsf(logits[i] - expected[n][i]);
            /* A difference that is no number stays. */
            error = difference <= error || error != error ? error : difference;
            size = fmaxf(size, fabsf(expected[n][i]));
        }}
        agree += largest(logits) == largest(expected[n]);
    }}
    long runs = 0;
    const clock_t begin = clock();
    do
        model_run(image, logits), runs++;
    while (clock() - begin < CLOCKS_PER_SEC / 4);
    const double milliseconds = 1e3 * (double)(clock() - begin) / CLOCKS_PER_SEC / (double)runs;
    printf("%d of %d images agree; largest error of a logit %.2g (largest logit %.3g)\\n", agree, NUM_IMAGES,
           (double)error, (double)size);
    printf("tables %d bytes, static memory %d bytes, %.3f ms an image\\n", MODEL_TABLE_BYTES, MODEL_MEMORY_BYTES,
           milliseconds);
    return agree == NUM_IMAGES && error <= {images.tolerance:g}f * size ? 0 : 1;
}}
"""


def write_readme(model: CModel, images: TestImages) -> str:
    """Return README.md."""
    vectors = (
        "The code is strict C11 without vectors."
        if model.vector == 1
        else f"Vectors hold {model.vector} floats; this needs GCC or Clang. `convert --vector none` writes plain C11."
    )
    return f"""\
# A classifier in C

- Build and check: `cc -O2 *.c -lm && ./a.out`. It prints how many of {len(images.pixels)} images agree with PyTorch.
- The images are {images.origin}.
- Use: include `model.h`, call `model_run(image, logits)`, compile `model.c`. It needs the C standard library only.
- An image is {model.shape[0]} x {model.shape[1]} x {model.shape[2]} floats, normalized as `model.h` says.
- Flash: {model.table_bytes:,} bytes of tables ({format_size(model.table_bytes)}), and the code (`size model.o`).
- RAM: {model.memory_bytes:,} bytes ({format_size(model.memory_bytes)}), static. Nothing is allocated.
- {vectors}
- {model.describe_tables()}
"""
