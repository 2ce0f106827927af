import pytest
import torch

from compression.core.errors import ArtifactError, InputError
from compression.storage.blocks import (
    DTYPES,
    Block,
    pack_state,
    table_from_json,
    table_to_json,
    unpack_state,
)


def round_trip(state, codec="auto"):
    records, payload = pack_state(state, codec=codec)
    records = table_from_json(table_to_json(records), payload_bytes=len(payload))
    return unpack_state(records, payload=payload)


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
    assert pack_state({"a": tensor}, codec="dense") == pack_state({"a": same}, codec="dense")


def test_negative_zero_is_stored_as_zero():
    for dtype in (torch.float32, torch.bfloat16):
        weight = torch.tensor([-1.0, 2.0] * 16, dtype=dtype) * torch.tensor([0.0, 1.0] * 16, dtype=dtype)
        records, _ = pack_state({"w": weight}, codec="bitmask")
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
def test_values_that_cannot_be_stored_are_named(value, kind):
    with pytest.raises(InputError) as caught:
        pack_state({"layer.x": value}, codec="auto")
    assert str(caught.value) == (
        f"layer.x ({kind}) cannot be stored; allowed: dense float32, float16, bfloat16, float64, "
        "int8, uint8, int16, int32, int64, bool"
    )


def test_vectors_of_one_role_are_one_block():
    state = {
        "a.weight": torch.ones(2, 3),
        "a.bias": torch.tensor([1.0, 2.0]),
        "b.weight": torch.ones(3),
        "b.bias": torch.tensor(5.0),
        "c.bias": torch.tensor([7], dtype=torch.int32),
        "bias": torch.zeros(0),
    }
    blocks, payload = pack_state(state, codec="dense")
    assert [(block.names, block.shape, block.num_bytes) for block in blocks] == [
        (("a.weight",), (2, 3), 24),
        (("a.bias", "b.bias", "bias"), (3,), 12),
        (("b.weight",), (3,), 12),
        (("c.bias",), (1,), 4),
    ]
    loaded = unpack_state(blocks, payload=payload)
    assert loaded.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(loaded[name], value)
        assert loaded[name].shape == value.shape
        assert loaded[name].untyped_storage().nbytes() == value.numel() * value.element_size()


GOOD = {
    "roles": ["w"],
    "dtypes": ["float32"],
    "codecs": ["dense"],
    "bytes": [8],
    "counts": [1],
    "owners": ["layer"],
    "shapes": [[2]],
}


def test_a_good_table():
    [block] = table_from_json(GOOD, payload_bytes=8)
    assert (block.names, block.shapes, block.numel) == (("layer.w",), ((2,),), 2)


@pytest.mark.parametrize(
    "table",
    [
        None,
        [],
        {},
        {key: value for key, value in GOOD.items() if key != "roles"},
        GOOD | {"more": []},
        GOOD | {"roles": "w"},
        GOOD | {"roles": [3]},
        GOOD | {"roles": ["w", "w"]},
        GOOD | {"codecs": []},
        GOOD | {"owners": ["\ud800"]},
        GOOD | {"roles": ["\udfff"]},
        GOOD | {"shapes": [[-1]]},
        GOOD | {"shapes": [[True]]},
        GOOD | {"shapes": [[2.0]]},
        GOOD | {"shapes": [[1] * 9]},
        GOOD | {"shapes": [[1 << 41]]},
        GOOD | {"shapes": [[1 << 30, 1 << 30]]},
        GOOD | {"shapes": [2]},
        GOOD | {"dtypes": ["float31"]},
        GOOD | {"dtypes": [["float32"]]},
        GOOD | {"bytes": [-8]},
        GOOD | {"bytes": [8.0]},
        GOOD | {"bytes": [9]},
        GOOD | {"counts": [0]},
        GOOD | {"counts": [2]},
        GOOD | {"counts": [2], "owners": ["layer", "layer"], "shapes": [[1], [1]]},
        {key: [] for key in GOOD},
    ],
)
def test_malformed_tables(table):
    with pytest.raises(ArtifactError, match="damaged"):
        table_from_json(table, payload_bytes=8)


def test_errors_name_the_tensor():
    block = Block("w", ("layer",), ((2,),), torch.float32, "dense", 4)
    with pytest.raises(ArtifactError) as caught:
        unpack_state([block], payload=bytes(4))
    assert str(caught.value) == "tensor layer.w: damaged: dense codec has 4 bytes where the shape requires 8"
    block = Block("w", ("layer",), ((2,),), torch.float32, "zip", 4)
    with pytest.raises(ArtifactError, match=r"^tensor layer.w: damaged or newer: codec 'zip' is unknown"):
        unpack_state([block], payload=bytes(4))


def test_a_file_cannot_require_unlimited_memory():
    blocks, payload = pack_state({"w": torch.zeros(1000, 1000)}, codec="bitmask")
    # The array, and 20 bytes a value that a bitmask is unpacked in.
    with pytest.raises(ArtifactError, match=r"takes 24000000 bytes of memory; allowed: max_bytes=23999999"):
        unpack_state(blocks, payload=payload, max_bytes=23_999_999)
    assert unpack_state(blocks, payload=payload, max_bytes=24_000_000)["w"].shape == (1000, 1000)


def test_a_short_stream_cannot_require_unlimited_memory():
    _, payload = pack_state({"w": torch.randint(-3, 4, (100, 100)).to(torch.int8)}, codec="context")
    block = Block("w", ("layer",), ((12_000, 12_000),), torch.int8, "context", len(payload))
    with pytest.raises(ArtifactError, match="reading its tensors takes 5904000000 bytes of memory"):
        unpack_state([block], payload=payload)
