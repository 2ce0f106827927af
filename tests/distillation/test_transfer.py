import pytest
import torch
from torch import nn

from compression.distillation.attention import attention_loss
from compression.distillation.hint import Hint
from compression.distillation.transfer import KINDS, make_transfer, own_module

PAIRS = [("small", "large"), ("last", "end")]
STUDENT = {"small": (2, 4, 8, 8), "last": (2, 6, 4, 4)}
TEACHER = {"large": (2, 16, 8, 8), "end": (2, 32, 2, 2)}


def make(kind, **settings):
    generator = torch.Generator().manual_seed(0)
    return make_transfer(kind, PAIRS, student=STUDENT, teacher=TEACHER, generator=generator, **settings)


def test_attention_has_no_parameters():
    transfer = make("attention")
    assert transfer.compare is attention_loss
    assert transfer.weight == 1000
    assert list(own_module(transfer).parameters()) == []


def test_hints_have_one_regressor_per_pair():
    transfer = make("hint")
    assert isinstance(transfer.compare, Hint)
    assert transfer.weight == 1
    assert own_module(transfer) is transfer.compare
    assert [tuple(layer.weight.shape) for layer in transfer.compare.regressors] == [(16, 4, 1, 1), (32, 6, 1, 1)]
    maps = [[torch.randn(shape) for shape in shapes.values()] for shapes in (STUDENT, TEACHER)]
    assert transfer.compare(*maps).isfinite()


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_zero_is_not_replaced_by_the_default(kind):
    assert make(kind, weight=0.0).weight == 0
    assert list(make(kind).pairs) == PAIRS


def test_without_a_transfer_nothing_is_learned():
    module = own_module(None)
    assert isinstance(module, nn.Module)
    assert list(module.parameters()) == []
