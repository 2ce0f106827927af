import re
from dataclasses import replace

import numpy as np
import pytest
from residual_net import Residual, randomize_

from compression.core.preparation import Preparation
from compression.runtimes.sparse.c_export.model_text import CModel, write_header, write_source, write_tables
from compression.runtimes.sparse.c_export.write_folder import make_c_model


@pytest.fixture(scope="module")
def model() -> CModel:
    return make_c_model(
        randomize_(Residual()),
        shape=(3, 12, 12),
        class_names=("a", "b", "c", 'd"'),
        mean=(0.5, 0.25, 0.1),
        std=(1.0, 2.0, 0.3),
    )


def test_the_header_holds_sizes_and_normalization(model: CModel) -> None:
    header = write_header(model)
    assert "#define MODEL_INPUT_SIZE 432\n" in header
    assert "#define MODEL_NUM_CLASSES 4\n" in header
    [mean] = re.findall(r"#define MODEL_MEAN \{(.*)\}", header)
    values = [float.fromhex(word.removesuffix("f")) for word in mean.split(", ")]
    assert values == [0.5, 0.25, float(np.float32(0.1))]


def test_the_arena_is_that_of_the_header(model: CModel) -> None:
    [floats] = re.findall(r"arena\[(\d+)\]", write_source(model))
    assert 4 * int(floats) == model.memory_bytes
    assert f"#define MODEL_MEMORY_BYTES {model.memory_bytes}\n" in write_header(model)


def test_the_tables_take_the_bytes_that_are_counted(model: CModel) -> None:
    text = write_tables(model)
    sizes = {"float": 4, "int32_t": 4, "int16_t": 2, "uint8_t": 1}
    fields = re.findall(r"^    (\w+) t\d+\[(\d+)\];$", text, re.MULTILINE)
    counted = sum(sizes[kind] * int(count) for kind, count in fields)
    assert counted + model.tables.operations.nbytes == model.table_bytes


def test_the_header_says_how_an_image_is_made(model: CModel) -> None:
    assert '#define MODEL_FIT "crop"\n#define MODEL_BACKGROUND {0, 0, 0}\n' in write_header(model)
    assert "Cut the centre square out of a photograph, and resize it to 12 x 12 pixels." in write_header(model)
    grey = replace(
        model,
        shape=(1, 12, 12),
        preparation=Preparation(1, "pad", background=(255, 128, 0), value_range=(-1, 4.5)),
    )
    header = write_header(grey)
    assert '#define MODEL_FIT "pad"\n#define MODEL_BACKGROUND {255, 128, 0}\n' in header
    assert "The channel is grey: 0.299 red + 0.587 green + 0.114 blue." in header
    assert "its longer side has 12 pixels, and centre it on MODEL_BACKGROUND." in header
    assert "Values beyond 8 bits: -1 is 0 and 4.5 is 1." in header
