"""Tests of sensitivity on small tables and a small network; the tests of the stage cover complete runs."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.evidence import Evidence
from compression.pruning.granularities.weights import Weights
from compression.pruning.layer_sensitivity import SensitivityTable, measure_sensitivity
from compression.pruning.strategy import find_units

TABLE = SensitivityTable(
    kind="weights",
    baseline=0.9,
    images=100,
    sizes={"first": 20, "last": 8},
    accuracy={"first": {0.5: 0.9, 0.8: 0.89, 0.9: 0.85}, "last": {0.5: 0.7, 0.8: 0.9, 0.9: 0.1}},
)


@pytest.mark.parametrize(
    ("max_drop", "expected"), [(0, (0.5, 0)), (1, (0.8, 0)), (5, (0.9, 0)), (20, (0.9, 0.8)), (80, (0.9, 0.9))]
)
def test_highest_sparsities_by_hand(max_drop, expected):
    """A better accuracy beyond the first sparsity that costs too much does not count."""
    assert tuple(TABLE.highest_sparsities(max_drop).values()) == expected


def test_rows_may_be_in_any_order():
    turned = {name: dict(reversed(row.items())) for name, row in TABLE.accuracy.items()}
    assert replace(TABLE, accuracy=turned).highest_sparsities(20) == {"first": 0.9, "last": 0.8}


def test_a_table_survives_json():
    assert SensitivityTable.from_json(json.loads(json.dumps(TABLE.to_json()))) == TABLE


def test_a_table_is_written_as_it_was_read():
    text = json.dumps(TABLE.to_json())
    assert json.dumps(SensitivityTable.from_json(json.loads(text) | {"later": 1}).to_json()) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": {"first": {"1.0": 0.5}}}, "a key of accuracy[...] must be a number < 1.0"),
        ({"accuracy": {"first": {"nan": 0.5}}}, "a key of accuracy[...] must be a number > 0.0"),
        ({"accuracy": {"first": {"half": 0.5}}}, "a key of accuracy[...] must be a number, not text"),
        ({"accuracy": {"first": {"0.5": 1.5}}}, "accuracy[...][...]: must be a number <= 1.0"),
        ({"accuracy": [0.5]}, "accuracy=[0.5]: must be a mapping"),
        ({"sizes": {"first": "many"}}, "sizes[...]: must be an integer, not text"),
        ({"images": None}, "images=None: must be an integer"),
        ({"baseline": float("nan")}, "baseline=nan: must be a number >= 0.0"),
        ({"kind": 3}, "kind=3: must be text"),
    ],
)
def test_content_that_is_not_a_table_is_refused_with_its_source(change, message):
    with pytest.raises(InputError) as caught:
        SensitivityTable.from_json(TABLE.to_json() | change, source="table.json")
    assert str(caught.value) == f"table.json is not a table of sensitivity: {message}"


def test_a_missing_part_is_refused():
    content = TABLE.to_json()
    del content["baseline"]
    with pytest.raises(InputError, match=r": baseline is missing$"):
        SensitivityTable.from_json(content)


def test_a_table_fits_its_model_and_no_other():
    TABLE.check_fits({"first": 20, "last": 8}, kind="weights", source="t")
    # The other layer may be protected.
    TABLE.check_fits({"last": 8}, kind="weights", source="t")
    with pytest.raises(InputError, match=r"^t is about weights: must be about channels, which this strategy prunes$"):
        TABLE.check_fits({"first": 20}, kind="channels", source="t")
    with pytest.raises(InputError, match=r"^t is of another model: last has 8 weights there and 9 here$"):
        TABLE.check_fits({"first": 20, "last": 9}, kind="weights", source="t")
    with pytest.raises(InputError, match=r"^t is of another model: inner has no weights there and 3 here$"):
        TABLE.check_fits({"inner": 3}, kind="weights", source="t")


def make_model():
    """Return a network with weights 1 to 8 in the first layer and 1 to 4 in the last."""
    model = nn.Sequential(nn.Linear(4, 2, bias=False), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        for layer in model:
            layer.weight.copy_(torch.arange(1.0, layer.weight.numel() + 1).view_as(layer.weight))
    return model


def measured(model, sparsities, skip=()):
    """Return the sum of the first layer plus a hundred times the sum of the last, to show what is left of each."""
    example = torch.zeros(1, 4)
    rows = measure_sensitivity(
        model,
        units=find_units(Weights(), model, example=example, amount=0.5),
        criterion=Magnitude(),
        evidence=Evidence(model=model, example=example, generator=make_generator(0)),
        sparsities=sparsities,
        measure=lambda pruned: (pruned[0].weight.sum() + 100 * pruned[1].weight.sum()).item(),
        skip=skip,
    )
    return dict(rows)


def test_one_layer_at_a_time_loses_its_smallest_weights():
    """The dense layers sum to 36 and 10. A quarter and three quarters of the weights go: 2 and 6, and 1 and 3."""
    assert measured(make_model(), (0.25, 0.75)) == {
        "0.weight": {0.25: 36 - 3 + 1000, 0.75: 15 + 1000},
        "1.weight": {0.25: 36 + 900, 0.75: 36 + 400},
    }


def test_a_layer_keeps_one_weight():
    assert measured(make_model(), (0.99,)) == {"0.weight": {0.99: 8 + 1000}, "1.weight": {0.99: 36 + 400}}


def test_skipped_layers_are_left_out_and_the_model_does_not_change():
    model = make_model()
    assert list(measured(model, (0.5,), skip=["0.weight"])) == ["1.weight"]
    expected = prunable_weights(make_model())
    assert all(torch.equal(weight, expected[name]) for name, weight in prunable_weights(model).items())
