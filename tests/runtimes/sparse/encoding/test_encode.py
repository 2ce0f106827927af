import re

import numpy as np
import pytest

from compression.core.errors import InputError
from compression.runtimes.sparse.compiler import KERNELS
from compression.runtimes.sparse.encoding import records
from compression.runtimes.sparse.encoding.builder import spread_planes
from compression.runtimes.sparse.encoding.encode import encode
from compression.runtimes.sparse.encoding.records import OPERATION
from compression.runtimes.sparse.program import Convolution, Map, Program, Window


def one_convolution(weight: np.ndarray, size: int) -> Program:
    source, target = Map(weight.shape[1], size, size), Map(weight.shape[0], size, size)
    bias, window = np.zeros(len(weight)), Window(kernel=(1, 1))
    layer = Convolution(source=source, target=target, weight=weight, bias=bias, window=window)
    return Program(image=source, logits=target, operations=[layer])


def test_the_structures_are_those_of_the_c_header() -> None:
    text = re.sub(r"/\*.*?\*/", "", (KERNELS / "program.h").read_text(), flags=re.DOTALL)
    body = text.split("typedef struct {")[1].split("} Operation;")[0]
    names = re.findall(r"\w+", re.sub(r"\b(int64_t|float)\b", "", body))
    assert names == list(OPERATION.names)
    constants = re.findall(r"enum \{ ([^}]*) \};", text)
    for group in (*constants[:1], *constants[3:]):
        for number, name in enumerate(group.split(", ")):
            assert getattr(records, name) == number
    functions, merges = ([name.lower() for name in group.split(", ")] for group in constants[1:3])
    assert functions == list(records.FUNCTIONS)
    # "add" and "multiply" of Python.
    assert merges == list(records.MERGES)


def test_only_weights_that_are_not_zero_are_stored() -> None:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((64, 64, 1, 1))
    sparse = dense * (rng.random(dense.shape) < 0.1)
    few, many = (len(encode(one_convolution(w, 4), vector=8, lanes=1).tables) for w in (sparse, dense))
    assert few < 0.3 * many


def test_planes_do_not_meet_in_the_cache() -> None:
    assert spread_planes(4096, tile=512) == 4608
    assert spread_planes(4160, tile=512) == 4160
    assert spread_planes(512, tile=512) == 512


def test_an_arena_beyond_two_gibibytes_is_refused() -> None:
    with pytest.raises(InputError, match=r"maps of this network need .*; allowed: below 2.*use smaller images"):
        encode(one_convolution(np.ones((64, 3, 1, 1)), 3000), vector=8, lanes=1)
