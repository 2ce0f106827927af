"""The quantize stage: sparsity, training, repairs and sizes."""

import pytest
import torch
from safetensors.torch import load_file

from compression.core.errors import InputError
from compression.core.model_card import ModelCard
from compression.quantization.rate.code_length import code_bits
from compression.run.stages import quantize

LAYERS = ["features.0", "features.3", "classifier"]
PRUNED = "strategy=oneshot_l1 sparsity=0.5"
QAT = "quantization=qat quantization.training.epochs=1"


@pytest.mark.parametrize("learn_step", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_pruned_weights_stay_zero_in_quantization_aware_training(shared, learn_step):
    stages = shared(f"{PRUNED} bits=4 {QAT} quantization.training.learn_step={learn_step} until=quantize")
    made, pruned = stages["quantize"], stages["prune"]
    floats, integers = (load_file(one.path / "model.safetensors") for one in (pruned, made))
    masks = load_file(pruned.path / "masks.safetensors")
    for name, mask in masks.items():
        assert not integers[name][~mask].any()
        assert not floats[name][~mask].any()
    assert made.results["sparsity"] >= pruned.results["sparsity"]
    assert len(made.results["history"]) == 1


def test_pruned_weights_of_a_layer_in_float_stay_zero_in_training(shared):
    stages = shared(f"{PRUNED} bits=4 {QAT} quantization.layer_bits=[classifier:32] until=quantize")
    mask = load_file(stages["prune"].path / "masks.safetensors")["classifier.weight"]
    weight = load_file(stages["quantize"].path / "model.safetensors")["classifier.weight"]
    assert weight.dtype == torch.float32
    assert not weight[~mask].any()


@pytest.mark.slow
def test_learn_step_changes_the_activation_scales(shared):
    commands = [f"strategy=none bits=4 {QAT} quantization.training.learn_step={learn}" for learn in ("false", "true")]
    fixed, learned = (shared(f"{command} until=quantize")["quantize"] for command in commands)
    scales = [load_file(one.path / "model.safetensors")["quantizers.features_2.scale"] for one in (fixed, learned)]
    assert not torch.equal(*scales)


def test_calibration_may_have_its_own_batch_size(make, monkeypatch):
    sizes = []

    def spy(model, plan, calibration, batches, **settings):
        sizes.append([len(labels) for _, labels in batches][:2])
        return wanted(model, plan, calibration, batches, **settings)

    wanted = quantize.quantized
    monkeypatch.setattr(quantize, "quantized", spy)
    make("quantize", "strategy=none bits=8 quantization.calibration_batch_size=32")
    assert sizes == [[32, 32]]


def test_removed_channels_stay_removed(shared):
    made = shared("strategy=oneshot_structured_l2 strategy.recovery.epochs=0 bits=8 until=quantize")["quantize"]
    assert made.results["compacted"]
    shapes = {name: list(value.shape) for name, value in load_file(made.path / "model.safetensors").items()}
    assert shapes["features.0.weight"][0] < 32
    assert "features.1.weight" not in shapes


def test_the_bytes_of_a_layer_match_a_hand_calculation(shared):
    made = shared("strategy=none bits=6 until=quantize")["quantize"]
    row = made.results["layers"][0]
    # 32 x 3 x 3 x 3 weights of 6 bits, and a scale and a bias of 4 bytes each for 32 channels.
    assert row == {
        "layer": "features.0",
        "weight_bits": 6,
        "activation_bits": 6,
        "weights": 864,
        "zeros": row["zeros"],
        "bytes": 648 + 2 * 32 * 4,
    }


@pytest.mark.parametrize(
    "repair",
    ["equalize=replace", "bias_correction_batches=2", "adaround.iterations=20 quantization.adaround.images=32"],
)
def test_repairs_are_applied_and_recorded(shared, repair):
    stages = shared(f"{PRUNED} bits=4 quantization.{repair} until=quantize")
    made, pruned = stages["quantize"], stages["prune"]
    assert made.results["sparsity"] >= pruned.results["sparsity"]
    repairs = made.results["repairs"]
    assert bool(repairs["equalized"]) == repair.startswith("equalize")
    errors = repairs["rounding_errors"]
    assert bool(errors) == repair.startswith("adaround")
    assert all(learned <= nearest for nearest, learned in errors.values())


@pytest.mark.parametrize(
    "method", ["bits=8", pytest.param("quantization=weight_only weight_bits=8", marks=pytest.mark.slow)]
)
def test_rdoq_lambda_reduces_the_code_bits(shared, method):
    command = f"{PRUNED} {method} quantization.bias_correction_batches=2 until=quantize"
    plain, priced = (shared(f"{command} quantization.rdoq_lambda={price}")["quantize"] for price in (0, 0.02))
    assert plain.path != priced.path
    assert plain.results["repairs"]["code_bits"] is None
    bits = priced.results["repairs"]["code_bits"]
    stored = [load_file(one.path / "model.safetensors") for one in (plain, priced)]
    counted = [sum(code_bits(state[f"{name}.weight"]) for name in LAYERS) for state in stored]
    assert counted[1] == pytest.approx(bits["chosen"])
    # Rounding to nearest uses scales that were narrowed, so the counts differ a little.
    assert counted[0] == pytest.approx(bits["nearest"], rel=0.05)
    assert bits["chosen"] < 0.9 * bits["nearest"]
    assert priced.results["sparsity"] >= plain.results["sparsity"]
    assert all(
        not state[f"{name}.weight"][stored[0][f"{name}.weight"] == 0].any() for state in stored for name in LAYERS
    )


def test_32_bits_have_no_quantize_stage(make, outputs):
    make("compact", "strategy=oneshot_l1 bits=32")
    assert not list(outputs.glob("store/quantize-*"))


def test_a_damaged_plan_in_a_card_is_refused():
    with pytest.raises(InputError, match="quantization"):
        ModelCard.from_json(
            {
                "architecture": {"target": "a.b", "num_classes": 1},
                "class_names": ["a"],
                "input": {"size": 8, "mean": [0, 0, 0], "std": [1, 1, 1]},
                "info": {},
                "quantization": [1],
            }
        )
