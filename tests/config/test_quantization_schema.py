"""The schema of quantization and bits: allowed values and contradictions."""

import pytest

from compression.config.quantization_schema import LayerBits
from compression.core.errors import InputError

RANGES = {
    "weight_bits=1": "weight_bits=1: must be an integer in [2, 8], or 32 for off",
    "activation_bits=16": "activation_bits=16: must be an integer in [2, 8], or 32 for off",
    "bits=0": "weight_bits=0: must be an integer in [2, 8], or 32 for off",
    "quantization.calibration_batches=0": "quantization.calibration_batches=0: must be an integer >= 1",
    "quantization.batch_norm_batches=-1": "quantization.batch_norm_batches=-1: must be an integer >= 0; 0 is off",
    "quantization.equalize=yes_please": "quantization.equalize=yes_please: must be one of none, skip, replace",
    "bits=8 quantization.rdoq_lambda=-0.1": "quantization.rdoq_lambda=-0.1: must be a number >= 0; 0 is off",
    "bits=8 quantization.rdoq_lambda=nan": "quantization.rdoq_lambda=nan: must be a number >= 0; 0 is off",
    "bits=8 quantization.rdoq_lambda=inf": "quantization.rdoq_lambda=inf: must be a number >= 0; 0 is off",
    "bits=8 quantization.rdoq_batches=0": "quantization.rdoq_batches=0: must be an integer >= 1",
    "bits=8 quantization.layer_bits=[first]": "quantization.layer_bits=first: must be PATTERN:BITS or "
    "PATTERN:WEIGHT/ACTIVATION",
    "bits=8 quantization.layer_bits=[first:9]": "quantization.layer_bits=first:9: must be bits: an integer in [2, 8], "
    "or 32 for off",
    "quantization.allocation.choices=[4,8]": "quantization.allocation.choices=[4, 8]: must be falling, one at least",
    "quantization.allocation.max_drop=-1": "quantization.allocation.max_drop=-1.0: must be points >= 0, or null",
    "quantization=qat bits=8 quantization.training.epochs=0": "quantization.training.epochs=0: must be an integer >= 1",
}

REPAIRS = "repairs what rounding loses: weight_bits or activation_bits must be below 32, e.g. bits=8"
CONTRADICTIONS = {
    "quantization=none bits=8": "weight_bits=8 contradicts quantization=none: must be 32 (off), or quantization=ptq",
    "quantization=none activation_bits=8": "activation_bits=8 contradicts quantization=none: must be 32 (off), "
    "or quantization=ptq",
    "quantization=qat bits=8 quantization.equalize=skip": "quantization.equalize has no part in quantization=qat: "
    "must be ptq",
    "quantization=qat bits=8 quantization.rdoq_lambda=0.1": "quantization.rdoq_lambda has no part in quantization=qat: "
    "must be ptq or weight_only",
    "bits=8 quantization.rdoq_lambda=0.1 quantization.adaround.iterations=9": "quantization.rdoq_lambda=0.1 "
    "contradicts quantization.adaround, which rounds too: give one",
    "activation_bits=8 quantization.adaround.iterations=100": "quantization.adaround.iterations=100 rounds weights: "
    "weight_bits must be below 32, e.g. 8",
    "activation_bits=8 quantization.layer_bits=[first:32/8] quantization.adaround.iterations=100": "quantization."
    "adaround.iterations=100 rounds weights: weight_bits must be below 32, e.g. 8",
    "quantization.equalize=skip": f"quantization.equalize=skip {REPAIRS}",
    "quantization.bias_correction_batches=4": f"quantization.bias_correction_batches=4 {REPAIRS}",
    "quantization.batch_norm_batches=4": f"quantization.batch_norm_batches=4 {REPAIRS}",
    "quantization=none quantization.batch_norm_batches=4": "quantization.batch_norm_batches has no part in "
    "quantization=none: must be ptq or qat or dynamic or weight_only",
    "quantization=weight_only weight_bits=8 quantization.reduce_range=true": "quantization.reduce_range has no part in "
    "quantization=weight_only: must be ptq or qat",
    "quantization=dynamic bits=8 quantization.reduce_range=true": "quantization.reduce_range has no part in "
    "quantization=dynamic: must be ptq or qat",
    "quantization.rdoq_lambda=0.1": "quantization.rdoq_lambda=0.1 rounds weights: weight_bits must be below 32, e.g. 8",
    "quantization=dynamic bits=8 quantization.bias_correction_batches=2": "quantization.bias_correction_batches has no "
    "part in quantization=dynamic: must be ptq or weight_only",
    "quantization=weight_only weight_bits=8 quantization.calibration_batch_size=9": (
        "quantization.calibration_batch_size has no part in quantization=weight_only: must be ptq or qat"
    ),
    "bits=8 quantization.training.epochs=9": "quantization.training has no part in quantization=ptq: must be qat",
    "bits=8 quantization.weights=min_max": "quantization.weights=min_max: choose it with a slash, "
    "quantization/weights=min_max",
    "bits=8 quantization.rdoq_lambda=0.01 quantization.bias_bits=5": "quantization.bias_bits=5 contradicts "
    "quantization.rdoq_lambda=0.01, which also rounds scales and biases: give one",
    "bits=8 quantization.rdoq_lambda=0.01 quantization.scale_bits=null": "quantization.scale_bits=null contradicts "
    "quantization.rdoq_lambda=0.01, which also rounds scales and biases: give one",
    "quantization=weight_only bits=8": "activation_bits=8 contradicts quantization=weight_only: must be 32",
    "quantization=weight_only weight_bits=8 quantization.layer_bits=[last:8/8]": "quantization.layer_bits=last:8/8 "
    "contradicts quantization=weight_only: its activation bits must be 32, or left out",
    "quantization=weight_only": "weight_bits=32 contradicts quantization=weight_only: must be an integer in [2, 8]",
    "quantization=dynamic weight_bits=8": "activation_bits=32 contradicts quantization=dynamic: must be an integer in "
    "[2, 8], e.g. bits=8",
    "quantization=dynamic bits=8 runtime.engines=[eager,sparse]": "runtime.engines=sparse contradicts quantization="
    "dynamic, whose scales depend on the batch: leave sparse out, or use quantization=ptq",
    "quantization=qat": "weight_bits=32 contradicts quantization=qat: must be an integer in [2, 8], e.g. bits=8",
    "activation_bits=8 quantization.allocation.max_bytes=20000": "quantization.layer_bits and allocation refine "
    "bits=...: weight_bits must be below 32",
    "bits=4 quantization.allocation.max_bytes=20000 quantization.allocation.choices=[8,6]": "quantization.allocation."
    "choices=[8, 6]: at least one must be at most weight_bits=4",
    "quantization.layer_bits=[first:8]": "quantization.layer_bits and allocation refine bits=...: weight_bits must be "
    "below 32",
    "bits=8 quantization.allocation.max_bytes=9 quantization.allocation.max_drop=1.0": "quantization.allocation."
    "max_bytes=9 contradicts quantization.allocation.max_drop=1.0: give one",
}


@pytest.mark.parametrize("command", RANGES | CONTRADICTIONS)
def test_message_of(load, command):
    with pytest.raises(InputError) as caught:
        load(*command.split())
    assert str(caught.value) == (RANGES | CONTRADICTIONS)[command]


@pytest.mark.parametrize(
    "command",
    [
        "activation_bits=8 quantization.equalize=skip quantization.bias_correction_batches=4",
        "activation_bits=8 quantization.batch_norm_batches=4",
        "activation_bits=8 quantization.layer_bits=[first:8/8] quantization.adaround.iterations=100",
        "activation_bits=8 quantization.layer_bits=[first:8/8] quantization.rdoq_lambda=0.1",
        "quantization.calibration_batches=100",
    ],
)
def test_settings_that_may_have_an_effect_are_allowed(load, command):
    load(*command.split())


def test_shorthand_for_bits(compose_config):
    assert compose_config("bits=8").weight_bits == 8
    assert compose_config("bits=8", "weight_bits=4").activation_bits == 8


def test_bits_of_a_layer_are_read():
    assert LayerBits.parse("first:8") == LayerBits("first", 8, None)
    assert LayerBits.parse("layer1.*:4/32") == LayerBits("layer1.*", 4, 32)
    # The last colon counts, because a name may contain colons.
    assert LayerBits.parse("a:b:2") == LayerBits("a:b", 2, None)
