"""Tests of the steps of post-training quantization: model, plan and scales after the selected repairs."""

import copy
from dataclasses import replace

import pytest
import torch
from integer_nets import plan_of
from torch import nn

from compression.core.errors import InputError
from compression.quantization.network.fake_network import fake_layers, quantizers
from compression.quantization.observers.min_max import MinMax
from compression.quantization.post_training import Calibration, Repairs, calibrated, quantized
from compression.quantization.repairs.adaround import AdaRound

SETTINGS = Calibration(MinMax, MinMax, 3)


def test_rdoq_and_adaround_exclude_each_other():
    with pytest.raises(InputError, match=r"rdoq_lambda=0\.1 contradicts adaround"):
        Repairs(adaround=AdaRound(), rdoq_lambda=0.1)


def test_batch_norm_is_kept_only_for_training(model, batches):
    plan, norms = plan_of(model), (nn.BatchNorm2d,)
    assert sum(isinstance(module, norms) for module in calibrated(model, plan, SETTINGS, batches).modules()) == 2
    assert not any(isinstance(module, norms) for module in quantized(model, plan, SETTINGS, batches).network.modules())


def test_the_model_does_not_change(model, batches):
    before = copy.deepcopy(model.state_dict())
    labelled = [(images, torch.arange(len(images)) % 4) for images, _ in batches]
    settings = replace(SETTINGS, batch_norm_batches=1, norm_batches=labelled)
    repairs = Repairs(equalize="replace", rdoq_lambda=0.1, rdoq_batches=1, bias_correction_batches=1)
    found = quantized(model, plan_of(model, 4), settings, labelled, repairs=repairs)
    assert found.code_bits.chosen < found.code_bits.nearest
    torch.testing.assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)


def test_the_plan_names_the_relu6_that_equalization_replaced(batches):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU6(), nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plan = plan_of(model.eval())
    assert not plan.unclamped
    skipped = quantized(model, plan, SETTINGS, batches, repairs=Repairs(equalize="skip"))
    assert (skipped.plan, skipped.equalization.pairs) == (plan, [])
    replaced = quantized(model, plan, SETTINGS, batches, repairs=Repairs(equalize="replace"))
    assert replaced.plan == replace(plan, unclamped=("_1",))
    # The grid no longer ends at 6.
    scales = [quantizers(each.network)["_1"].max_scale for each in (skipped, replaced)]
    assert scales == [pytest.approx(6 / 255), None]


@pytest.mark.parametrize("repairs", [Repairs(adaround=AdaRound(iterations=5)), Repairs(rdoq_lambda=0.1)])
def test_weights_rounded_by_repairs_are_on_their_grid(model, batches, repairs):
    labelled = [(images, torch.arange(len(images)) % 4) for images, _ in batches]
    generator = torch.Generator().manual_seed(0)
    network = quantized(model, plan_of(model, 4), SETTINGS, labelled, repairs=repairs, generator=generator).network
    for layer in fake_layers(network).values():
        torch.testing.assert_close(layer.weight, layer.fake_quantized_weight(), rtol=1e-5, atol=0)
