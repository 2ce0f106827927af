import pytest
import torch

from compression.core.errors import ArtifactError, InputError
from compression.storage.tensors import (
    DTYPES,
    TensorRecord,
    pack_tensors,
    table_from_json,
    table_to_json,
    unpack_tensors,
)


def round_trip(state, codec="auto"):
    records, payload = pack_tensors(state, codec=codec)
    records = table_from_json(table_to_json(records), payload_bytes=len(payload))
    return unpack_tensors(records, payload=payload)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype):
    state = {"a": torch.tensor([[0, 1, 1], [1, 0, 0]]).to(dtype), "scalar": torch.tensor(1).to(dtype)}
    for codec in ("auto", "dense", "bitmask"):
        loaded = round_trip(state, codec)
        for name, tensor in state.items():
            assert loaded[name].dtype == dtype
            assert torch.equal(loaded[name], tensor)


def test_memory_format_does_not_matter():
    tensor = torch.randn(2, 3, 4, 5)
    same = tensor.to(memory_format=torch.channels_last)
    assert pack_tensors({"a": tensor}, codec="dense") == pack_tensors({"a": same}, codec="dense")


def test_negative_zero_is_stored_as_zero():
    for dtype in (torch.float32, torch.bfloat16):
        weight = torch.tensor([-1.0, 2.0] * 16, dtype=dtype) * torch.tensor([0.0, 1.0] * 16, dtype=dtype)
        records, _ = pack_tensors({"w": weight}, codec="bitmask")
        assert records[0].num_bytes == 4 + 16 * weight.element_size()
        assert torch.equal(round_trip({"w": weight})["w"], weight)


def test_nan_and_infinity_stay():
    tensor = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0])
    assert round_trip({"a": tensor})["a"].numpy().tobytes() == tensor.numpy().tobytes()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.zeros(2, dtype=torch.complex64), "torch.complex64"),
        (torch.zeros(2).to_sparse(), "torch.float32"),
        ({"a": 1}, "dict"),
    ],
)
def test_what_cannot_be_stored_is_named(value, kind):
    with pytest.raises(InputError) as caught:
        pack_tensors({"layer.x": value}, codec="auto")
    assert str(caught.value) == (
        f"layer.x ({kind}) cannot be stored; allowed: dense float32, float16, bfloat16, float64, "
        "int8, uint8, int16, int32, int64, bool"
    )


GOOD = ["w", [2], "float32", "dense", 8]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        [None],
        [GOOD[:4]],
        [["w", [-1], "float32", "dense", 8]],
        [["w", [True], "float32", "dense", 8]],
        [["w", [2.0], "float32", "dense", 8]],
        [["w", [1] * 9, "float32", "dense", 8]],
        [["w", [1 << 41], "float32", "dense", 8]],
        [["w", [1 << 30, 1 << 30], "float32", "dense", 8]],
        [["w", [2], "float31", "dense", 8]],
        [["w", [2], "float32", "dense", -8]],
        [["w", [2], "float32", "dense", 8.0]],
        [["w", [2], "float32", "dense", 9]],
        [GOOD, GOOD],
        [],
    ],
)
def test_malformed_tables(rows):
    with pytest.raises(ArtifactError, match="damaged"):
        table_from_json(rows, payload_bytes=8)


def test_errors_name_the_tensor():
    record = TensorRecord("layer.w", (2,), torch.float32, "dense", 4)
    with pytest.raises(ArtifactError) as caught:
        unpack_tensors([record], payload=bytes(4))
    assert str(caught.value) == ("tensor layer.w: damaged: dense codec has 4 bytes where the shape asks for 8")
    record = TensorRecord("layer.w", (2,), torch.float32, "zip", 4)
    with pytest.raises(ArtifactError, match=r"^tensor layer.w: damaged or newer: codec 'zip' is unknown"):
        unpack_tensors([record], payload=bytes(4))
