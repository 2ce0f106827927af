from runs import TINY, compose_config

from compression.quantization.network.narrowing import Narrowing
from compression.quantization.observers.min_max import MinMax
from compression.run.building.configured_calibration import calibration_for, narrowing_for, one_batch_calibration
from compression.run.context import make_context


def context(tmp_path, *overrides):
    config = compose_config(*TINY, "strategy=none", f"output_dir={tmp_path}", *overrides)
    return make_context(config, tmp_path / "run")


def test_the_numbers_of_batches_are_those_of_the_configuration(tmp_path):
    lines = ["bits=8", "quantization.calibration_batches=3", "quantization.batch_norm_batches=2"]
    made = calibration_for(context(tmp_path, *lines))
    assert (made.num_batches, made.batch_norm_batches) == (3, 2)
    # The training batches, to estimate batch norm again.
    assert len(made.norm_batches) > 0


def test_a_quick_calibration_uses_one_batch_and_keeps_batch_norm(tmp_path):
    lines = ["bits=8", "quantization.calibration_batches=3", "quantization.batch_norm_batches=2"]
    made = one_batch_calibration(context(tmp_path, *lines))
    assert (made.num_batches, made.batch_norm_batches, made.norm_batches) == (1, 0, ())


def test_observers_are_those_of_the_configuration(tmp_path):
    lines = ["quantization/weights=min_max", "quantization/activations=min_max", "bits=8"]
    for make in (calibration_for, one_batch_calibration):
        made = make(context(tmp_path, *lines))
        assert isinstance(made.weights(), MinMax)
        assert isinstance(made.activations(), MinMax)
        assert make(context(tmp_path, "quantization=weight_only", "weight_bits=8")).activations is None


def test_narrowing_keeps_the_configured_bits(tmp_path):
    lines = ["bits=8", "quantization.scale_bits=5", "quantization.bias_bits=null"]
    assert narrowing_for(context(tmp_path, *lines)) == Narrowing(scale_bits=5, bias_bits=None)
