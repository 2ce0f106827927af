import re

import numpy as np
import pytest
from residual_net import Residual, randomize_

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
