import functools

import pytest
from torch import nn

from compression.config.make_part import make_part
from compression.core.errors import InputError
from compression.pruning.criteria import Criterion
from compression.pruning.granularities import Granularity
from compression.pruning.schedules import Schedule
from compression.quantization.observers import Observer

CUBIC = {"_target_": "compression.pruning.schedules.cubic.Cubic"}


def score(weights, *, evidence):
    """Score every weight by its value."""
    del evidence
    return dict(weights)


def score_all(**given):
    """Score without the weights by position."""
    return given


class Scorer(nn.Module):
    """A criterion with parameters of its own."""

    def forward(self, weights, *, evidence):
        return score(weights, evidence=evidence)


def test_make_part_returns_the_object():
    assert make_part(CUBIC, Schedule, key="strategy.schedule", steps=3).num_steps(0.9) == 3


@pytest.mark.parametrize("target", ["score", "Scorer"])
def test_a_function_or_a_module_fits_a_protocol_of_one_call(target):
    settings = {"_target_": f"{__name__}.{target}", **({"_partial_": True} if target == "score" else {})}
    part = make_part(settings, Criterion, key="strategy.criterion")
    assert isinstance(part, functools.partial if target == "score" else Scorer)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        # A module of torch accepts any call, but its forward takes no evidence.
        (
            {"_target_": "torch.nn.ReLU"},
            Criterion,
            "part._target_=torch.nn.ReLU makes an object of the class ReLU: must be compression.pruning.criteria.Crit",
        ),
        ({"_target_": f"{__name__}.score_all", "_partial_": True}, Criterion, "must be compression.pruning.criteria"),
        ({"_target_": "collections.OrderedDict"}, Schedule, "class OrderedDict: must be compression.pruning.schedule"),
        (CUBIC | {"steps": 3}, Granularity, "class Cubic: must be compression.pruning.granularities.Granularity"),
        ({"_target_": "torch.nn.ReLU"}, Observer, "must be compression.quantization.observers.Observer"),
    ],
)
def test_an_object_of_another_kind_is_refused(settings, kind, message):
    with pytest.raises(InputError) as caught:
        make_part(settings, kind, key="part")
    assert message in str(caught.value)
