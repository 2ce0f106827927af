import copy
import json

import pytest
import torch
from rounding_nets import ResidualNet, fold, randomize_
from torch import nn

from compression.core.errors import InputError
from compression.quantization.bits.bit_sensitivity import BitTable, measure_bit_sensitivity, round_weight
from compression.quantization.observers.min_max import MinMax

TABLE = BitTable(baseline=1.0, images=100, sizes={"a": 8, "b": 16}, loss={"a": {2: 5.0, 8: 1.0}, "b": {4: 1.5}})


def test_a_table_is_written_as_it_was_read():
    text = json.dumps(TABLE.to_json())
    assert BitTable.from_json(json.loads(text)) == TABLE
    assert json.dumps(BitTable.from_json(json.loads(text) | {"later": 1}).to_json()) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": {"a": {"9": 1.0}}}, "a key of loss[...] must be an integer <= 8"),
        ({"loss": {"a": {"two": 1.0}}}, "a key of loss[...] must be an integer, not text"),
        ({"loss": {"a": {"2": float("nan")}}}, "loss[...][...]: must be a number >= -"),
        ({"baseline": float("inf")}, "baseline=inf: must be a number <= 1.79"),
        ({"sizes": None}, "sizes=None: must be a mapping"),
        ({"images": "x"}, "images='x': must be an integer"),
    ],
)
def test_anything_but_a_table_is_refused_with_its_source(change, message):
    with pytest.raises(InputError) as caught:
        BitTable.from_json(TABLE.to_json() | change, source="bits.json")
    assert str(caught.value).startswith(f"bits.json is not a table of bits: {message}")


def test_weights_are_rounded_by_row():
    weight = torch.tensor([[3.0, -1.4], [0.6, 0.2]])
    # Scales 1 and 0.2.
    rounded = round_weight(weight, bits=3, observer=MinMax())
    torch.testing.assert_close(rounded, torch.tensor([[3.0, -1.0], [0.6, 0.2]]))


def test_one_layer_at_a_time_is_rounded_and_the_model_is_unchanged():
    model = randomize_(ResidualNet())
    before = copy.deepcopy(model.state_dict())
    seen = []

    def measure(network):
        assert isinstance(network, nn.Module)
        changed = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])]
        seen.append(changed)
        return sum((tensor - before[name]).abs().sum().item() for name, tensor in network.state_dict().items())

    rows = measure_bit_sensitivity(
        model, make_observer=MinMax, measure=measure, choices=(8, 4, 2), skip=("second", "hidden")
    )
    name, row = next(rows)
    assert name == "stem"
    assert list(row) == [8, 4, 2]
    assert 0 < row[8] < row[4] < row[2]
    assert seen == [["stem.weight"]] * 3
    assert [name for name, _ in rows] == ["first", "head"]
    assert seen[3:] == [["first.weight"]] * 3 + [["head.weight"]] * 3
    torch.testing.assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)


def test_folding_batch_norm_changes_no_loss():
    model = randomize_(ResidualNet())
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def measure(network):
        return network(images).square().mean().item()

    tables = [
        dict(measure_bit_sensitivity(each, make_observer=MinMax, measure=measure, choices=(8, 3)))
        for each in (model, fold(model))
    ]
    for name, row in tables[0].items():
        assert tables[1][name] == pytest.approx(row, rel=1e-4)


def test_bits_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"bits=9: must be an integer in \[2, 8\]"):
        next(measure_bit_sensitivity(ResidualNet(), make_observer=MinMax, measure=lambda _: 0.0, choices=(9,)))
