import pytest
import torch
from integer_nets import plan_of, rounding

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.calibration import calibrate_
from compression.quantization.network.fake_network import prepare
from compression.quantization.observers.min_max import MinMax
from compression.quantization.post_training import Calibration, quantized


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_calibration_names_non_finite_activations(model, batches, value):
    batches[1][0][0, 0, 0, 0] = value
    with pytest.raises(InputError, match="the activation after images is NaN or infinite"):
        rounding(model, plan_of(model), batches)


def test_calibration_needs_images(model):
    with pytest.raises(InputError, match="gave no image"):
        calibrate_(prepare(trace(model), plan_of(model)), MinMax, [], num_batches=4)


def test_refit_follows_rounded_weights(model, batches):
    plan = plan_of(model, 2, 8)
    plain = quantized(model, plan, Calibration(MinMax, MinMax, 3), batches).network
    refit = quantized(model, plan, Calibration(MinMax, MinMax, 3, 3, batches), batches).network
    images = torch.cat([images for images, _ in batches])
    # Behind a refitted batch norm a channel has the mean beta again.
    with torch.no_grad():
        errors = [
            (network.get_submodule("stem.0")(images).mean((0, 2, 3)) - model.stem[1].bias).abs().max()
            for network in (plain, refit)
        ]
    assert errors[1] < 1e-4 < errors[0]
