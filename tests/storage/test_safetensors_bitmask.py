import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from compression.core.errors import ArtifactError
from compression.storage.safetensors_bitmask import (
    decode_bitmask,
    encode_bitmask,
    read_bitmask_file,
    write_bitmask_file,
)


def round_trip(state):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        path.write_bytes(write_bitmask_file(state))
        return read_bitmask_file(path)


def assert_same_bits(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.numpy().tobytes() == expected.numpy().tobytes()


@st.composite
def tensors(draw, min_dims=0):
    dtype = draw(st.sampled_from([np.float32, np.int8, np.int32]))
    shape = hnp.array_shapes(min_dims=min_dims, max_dims=4, min_side=0, max_side=11)
    # Any value, NaN and -0.0 included, and many zeros.
    array = draw(hnp.arrays(dtype, shape, fill=st.just(dtype(0))))
    return torch.from_numpy(np.ascontiguousarray(array))


def test_parts_by_hand():
    weight = torch.tensor([[0, 5, 0, 0, 7, 0, 0, 0, 0, -1], [0] * 10, [2] + [0] * 9], dtype=torch.int8)
    parts = encode_bitmask(weight)
    assert {name: (part.dtype, part.tolist()) for name, part in parts.items()} == {
        "compressed": (torch.int8, [5, 7, -1, 2]),
        "bitmask": (torch.uint8, [[0b00010010, 0b10], [0, 0], [1, 0]]),
        "shape": (torch.int64, [3, 10]),
        "row_offsets": (torch.int64, [0, 3, 3]),
    }


@given(weight=tensors(min_dims=2))
@settings(deadline=None, max_examples=40)
def test_parts_round_trip_bit_for_bit(weight):
    assert_same_bits(decode_bitmask(encode_bitmask(weight), shape=tuple(weight.shape)), weight)


@given(state=st.dictionaries(st.sampled_from(["a.weight", "b.weight", "b.bias", "weight", "b.shape"]), tensors()))
@settings(deadline=None, max_examples=40)
def test_files_round_trip_bit_for_bit(state):
    found = round_trip(state)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert_same_bits(found[name], tensor)


def test_tensors_and_metadata_of_a_file(tmp_path):
    generator = torch.Generator().manual_seed(0)
    sparse = torch.randn(16, 8, 3, 3, generator=generator)
    sparse[:, 1:] = 0
    state = {
        "conv.weight": sparse,
        "conv.bias": torch.zeros(16),
        "full.weight": torch.randn(16, 72, generator=generator),
        "norm.weight": torch.zeros(512),
        "small.weight": torch.zeros(2, 2),
    }
    path = tmp_path / "m.safetensors"
    path.write_bytes(write_bitmask_file(state))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    assert metadata["compression"] == "sparse-bitmask"
    # A dense weight, a vector and one that four entries of the header would outweigh stay as they are.
    assert json.loads(metadata["shapes"]) == {"conv.weight": [16, 8, 3, 3]}
    stored = load_file(path)
    parts = ("compressed", "bitmask", "shape", "row_offsets")
    assert stored.keys() == state.keys() - {"conv.weight"} | {f"conv.{part}" for part in parts}
    # 16 rows of 9 values and 72 bits.
    assert stored["conv.compressed"].shape == (144,)
    assert stored["conv.bitmask"].shape == (16, 9)
    assert stored["conv.shape"].tolist() == [16, 72]
    assert stored["conv.row_offsets"].tolist() == list(range(0, 144, 9))


def test_names_that_are_taken_are_left_alone(tmp_path):
    state = {"a.weight": torch.zeros(64, 64), "a.shape": torch.ones(3)}
    path = tmp_path / "m.safetensors"
    path.write_bytes(write_bitmask_file(state))
    assert load_file(path).keys() == state.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state, _: state.pop("a.bitmask"), "tensor a.weight: bitmask missing"),
        (lambda state, _: state.update({"a.compressed": torch.ones(3)}), r"\[3\] values where its bitmask has 2"),
        (lambda state, _: state.update({"a.bitmask": torch.ones(64, 7, dtype=torch.uint8)}), "bitmask torch.uint8"),
        (lambda state, _: state.update({"a.bitmask": torch.ones(64, 8)}), "bitmask torch.float32"),
        (lambda state, _: state.update({"a.shape": torch.tensor([64, 65])}), r"a matrix \[64, 65\] where"),
        (lambda _, metadata: metadata.update(shapes='{"a.weight": [4096]}'), "its metadata has no shapes"),
        (lambda _, metadata: metadata.update(shapes='{"a.weight": [true, -1]}'), "its metadata has no shapes"),
        (lambda _, metadata: metadata.update(shapes="[1]"), "its metadata has no shapes"),
        (lambda _, metadata: metadata.update(shapes="[[64, 64]]"), "its metadata has no shapes"),
        (lambda _, metadata: metadata.update(shapes='{"a.weight": 3}'), "its metadata has no shapes"),
        (lambda _, metadata: metadata.pop("shapes"), "its metadata has no shapes"),
        (lambda _, metadata: metadata.pop("compression"), "compression is None; allowed: 'sparse-bitmask'"),
    ],
)
def test_damaged_files(tmp_path, change, message):
    path = tmp_path / "m.safetensors"
    weight = torch.zeros(64, 64)
    weight[3, 4:6] = 1
    path.write_bytes(write_bitmask_file({"a.weight": weight}))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    state = load_file(path)
    change(state, metadata)
    save_file(state, path, metadata=metadata)
    with pytest.raises(ArtifactError, match=message) as caught:
        read_bitmask_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_in_another_format(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"hello")
    with pytest.raises(ArtifactError, match=r"m\.safetensors: "):
        read_bitmask_file(path)
