"""The quantize stage in whole runs: after pruning, in integers, and labelled for what it is."""

import json

import pytest
import torch
from processors import WITH_VNNI, WITHOUT_VNNI, state_processor
from runs import TINY, WIDE, compose_config, run_here
from safetensors.torch import load_file

from compression.artifact import load_artifact
from compression.core.errors import InputError
from compression.core.model_card import ModelCard
from compression.pipeline import make_context
from compression.quantization.code_length import code_bits
from compression.quantization.integer_layers import DynamicLayer, IntegerLayer, WeightOnlyLayer
from compression.runtimes.onnx_metadata import read_metadata
from compression.stages.held_out import held_out_images

LAYERS = ["features.0", "features.3", "classifier"]
QAT = "quantization=qat quantization.training.epochs=1"
FILES = ("tiny_net",)


def run_metrics(tmp_path, outputs, *overrides):
    run_dir = tmp_path / "run"
    run_here(*WIDE, *overrides, run_dir=run_dir, output_dir=outputs)
    return json.loads((run_dir / "metrics.json").read_text()), run_dir


@pytest.mark.parametrize(("processor", "weight_bits"), [(WITH_VNNI, 8), (WITHOUT_VNNI, 7)])
def test_weights_have_the_bits_that_the_processor_bears(make, monkeypatch, processor, weight_bits):
    state_processor(monkeypatch, processor)
    made = make("quantize", "strategy=none bits=8")
    assert {row["weight_bits"] for row in made.results["layers"]} == {weight_bits}
    assert made.results["reduced_range"] == (weight_bits == 7)
    assert made.record["key"]["inputs"]["reduced_range"] == (weight_bits == 7)


def test_int8_is_executed_and_says_so(tmp_path, outputs, monkeypatch):
    # Weights of 7 bits saturate on no processor; what is asked for is 8.
    state_processor(monkeypatch, WITHOUT_VNNI)
    metrics, run_dir = run_metrics(tmp_path, outputs, "strategy=oneshot_l1", "sparsity=0.5", "bits=8")
    quantization, parity = metrics["quantization"], metrics["quantization"]["parity"]
    assert quantization["arithmetic"] == "W7A8, executed in integers"
    assert quantization["reduced_range"]
    assert [row["layer"] for row in quantization["layers"]] == LAYERS
    assert [row["weight_bits"] for row in quantization["layers"]] == [7, 7, 7]
    assert quantization["sparsity"] >= quantization["sparsity_before"] >= 0.5
    counts = parity["executed_layers"]["counts"]
    assert counts["convolution"] == {"integer": 2, "float": 0}
    assert counts["linear"] == {"integer": 1, "float": 0}
    assert counts["other"]["float"] == 0
    assert parity["images"] == metrics["compressed"]["test_images"]
    assert parity["agreement"] >= 0.99
    assert metrics["compressed"]["accuracy"] == parity["accuracy_executed"]
    assert metrics["compressed"]["accuracy_simulated"] == parity["accuracy_simulated"]
    artifact = load_artifact(run_dir / "model.cmp", allow=FILES)
    assert [type(artifact.model.get_submodule(name)) for name in LAYERS] == [IntegerLayer] * 3
    assert metrics["compressed"]["bytes"]["artifact"] < metrics["dense"]["bytes"]["safetensors"] / 4
    carried = read_metadata(run_dir / "model.onnx")["parity"]
    assert carried["agreement"] == parity["agreement"]
    assert carried["executed_layers"] == {"counts": counts, "in_float": []}
    assert carried["cpu"] == parity["cpu"] == WITHOUT_VNNI.to_json()
    assert metrics["compressed"]["bytes"]["onnx"] == (run_dir / "model.onnx").stat().st_size
    report = (run_dir / "report.md").read_text()
    assert "| arithmetic | float32 | W7A8 | executed in integers |" in report
    assert "| eager (simulation), batch 1 |" in report
    labels = {
        "model.cmp": "the compressed model, W7A8, executed in integers",
        "model.onnx": "the same as ONNX, INT8 (W7A8, executed in integers)",
        "dense.safetensors": "the dense model, FP32",
        "dense.onnx": "the same as ONNX, FP32",
    }
    for name, label in labels.items():
        assert f"| {name} | {label} | {(run_dir / name).stat().st_size:,} |" in report


@pytest.mark.parametrize(
    ("overrides", "arithmetic", "kind"),
    [
        ("weight_bits=6 activation_bits=8", "W6A8, simulated, stored packed", IntegerLayer),
        ("bits=4 quantization/activations=percentile", "W4A4, simulated, stored packed", IntegerLayer),
        ("weight_bits=8 quantization=weight_only", "W8A32, computed in float32", WeightOnlyLayer),
        ("weight_bits=3", "W3A32, simulated, stored packed", WeightOnlyLayer),
        ("bits=8 quantization=dynamic", "W8A8 dynamic, executed in integers", DynamicLayer),
        (f"weight_bits=4 activation_bits=8 {QAT}", "W4A8, simulated, stored packed", IntegerLayer),
    ],
)
def test_every_method_to_the_end(tmp_path, outputs, overrides, arithmetic, kind):
    metrics, run_dir = run_metrics(tmp_path, outputs, "strategy=none", *overrides.split())
    assert metrics["quantization"]["arithmetic"] == arithmetic
    assert metrics["quantization"]["parity"]["agreement"] >= 0.99
    model = load_artifact(run_dir / "model.cmp", allow=FILES).model
    assert [type(model.get_submodule(name)) for name in LAYERS] == [kind] * 3
    if kind is not WeightOnlyLayer:
        # Even what has fewer bits than 8: it is held in 8.
        counts = metrics["quantization"]["parity"]["executed_layers"]["counts"]
        assert counts["convolution"] == {"integer": 2, "float": 0}
        assert counts["linear"] == {"integer": 1, "float": 0}
    label = arithmetic.split(", ", 1)[1]
    assert label in (run_dir / "report.md").read_text()


@pytest.mark.parametrize("learn_step", ["true", "false"])
def test_masks_survive_training_exactly(make, finished, learn_step):
    made = make(
        "quantize", f"strategy=oneshot_l1 sparsity=0.7 bits=4 {QAT} quantization.training.learn_step={learn_step}"
    )
    [pruned] = finished("prune")
    floats, integers = (load_file(one.path / "model.safetensors") for one in (pruned, made))
    masks = load_file(pruned.path / "masks.safetensors")
    for name, mask in masks.items():
        assert not integers[name][~mask].any()
        assert not floats[name][~mask].any()
    assert made.results["sparsity"] >= pruned.results["sparsity"]
    assert len(made.results["history"]) == 1


def test_training_learns_steps(make):
    fixed = make("quantize", f"strategy=none bits=4 {QAT} quantization.training.learn_step=false")
    learned = make("quantize", f"strategy=none bits=4 {QAT}")
    scales = [load_file(one.path / "model.safetensors")["quantizers.features_2.scale"] for one in (fixed, learned)]
    assert not torch.equal(*scales)


def test_channels_that_are_gone_stay_gone(make):
    made = make("quantize", "strategy=oneshot_structured_l2 sparsity=0.5 bits=8")
    assert made.results["compacted"]
    shapes = {name: list(value.shape) for name, value in load_file(made.path / "model.safetensors").items()}
    assert shapes["features.0.weight"][0] < 32
    assert "features.1.weight" not in shapes


@pytest.mark.parametrize(("processor", "eight"), [(WITH_VNNI, 8), (WITHOUT_VNNI, 7)])
def test_layers_with_bits_of_their_own(make, monkeypatch, processor, eight):
    state_processor(monkeypatch, processor)
    made = make("quantize", "strategy=none bits=4 quantization.layer_bits=[first:8,'features.*:6/8',last:8]")
    rows = {row["layer"]: (row["weight_bits"], row["activation_bits"]) for row in made.results["layers"]}
    # The later pattern wins, and what is not said is the run's.
    assert rows == {"features.0": (6, 8), "features.3": (6, 8), "classifier": (eight, 4)}


def test_bytes_of_a_layer_by_hand(make):
    made = make("quantize", "strategy=none bits=6")
    row = made.results["layers"][0]
    # 32 x 3 x 3 x 3 weights of 6 bits; a scale and a bias of 4 bytes for each of 32 channels.
    assert row == {
        "layer": "features.0",
        "weight_bits": 6,
        "activation_bits": 6,
        "weights": 864,
        "zeros": row["zeros"],
        "bytes": 648 + 2 * 32 * 4,
    }


def test_bits_are_allocated_within_a_budget(make, finished):
    made = make("quantize", "strategy=none bits=8 quantization.allocation.max_bytes=9000")
    rows = {row["layer"]: (row["weights"], row["weight_bits"]) for row in made.results["layers"]}
    assert 0.8 * 9000 < sum(-(-weights * bits // 8) for weights, bits in rows.values()) <= 9000
    assert len({bits for _, bits in rows.values()}) > 1
    [table] = finished("bits")
    assert table.results["loss"]["features.0"].keys() == {"8", "6", "5", "4", "3", "2"}
    # Another budget asks the same table.
    less = make("quantize", "strategy=none bits=8 quantization.allocation.max_bytes=6000")
    assert len(finished("bits")) == 1
    assert sum(-(-row["weights"] * row["weight_bits"] // 8) for row in less.results["layers"]) <= 6000


def test_bits_are_allocated_for_a_drop(make, finished):
    made = make("quantize", "strategy=none bits=8 quantization.allocation.max_drop=2.0")
    [dense] = finished("dense")
    assert made.results["val_accuracy"] >= dense.results["val_accuracy"] - 0.02 - 1e-6
    assert min(row["weight_bits"] for row in made.results["layers"]) < 8


def test_a_budget_that_nothing_fits_is_refused(make):
    with pytest.raises(InputError, match="max_bytes=10: must be at least"):
        make("quantize", "strategy=none bits=8 quantization.allocation.max_bytes=10")


@pytest.mark.parametrize(
    "repair",
    ["equalize=replace", "bias_correction_batches=2", "adaround.iterations=20 quantization.adaround.images=32"],
)
def test_repairs(make, finished, repair):
    made = make("quantize", f"strategy=oneshot_l1 sparsity=0.5 bits=4 quantization.{repair}")
    [compacted] = finished("prune")
    assert made.results["sparsity"] >= compacted.results["sparsity"]
    repairs = made.results["repairs"]
    assert bool(repairs["equalized"]) == repair.startswith("equalize")
    errors = repairs["rounding_errors"]
    assert bool(errors) == repair.startswith("adaround")
    assert all(learned <= nearest for nearest, learned in errors.values())


@pytest.mark.parametrize("method", ["bits=8", "quantization=weight_only weight_bits=8"])
def test_rounding_by_the_price_of_a_bit(make, method):
    command = f"strategy=oneshot_l1 sparsity=0.5 {method} quantization.bias_correction_batches=2"
    plain, priced = make("quantize", command), make("quantize", f"{command} quantization.rdoq_lambda=0.02")
    assert plain.path != priced.path
    assert plain.results["repairs"]["code_bits"] is None
    bits = priced.results["repairs"]["code_bits"]
    stored = [load_file(one.path / "model.safetensors") for one in (plain, priced)]
    counted = [sum(code_bits(state[f"{name}.weight"]) for name in LAYERS) for state in stored]
    assert counted[1] == pytest.approx(bits["chosen"])
    # To nearest, weights are rounded to narrow scales.
    assert counted[0] == pytest.approx(bits["nearest"], rel=0.05)
    assert bits["chosen"] < 0.9 * bits["nearest"]
    assert priced.results["sparsity"] >= plain.results["sparsity"]
    assert all(
        not state[f"{name}.weight"][stored[0][f"{name}.weight"] == 0].any() for state in stored for name in LAYERS
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("bits=8 quantization.layer_bits=[stem:8]", "quantization.layer_bits=stem: fits no layer; must be first, last"),
        ("bits=8 quantization.activations.num_candidates=0", "num_candidates=0: must be"),
        ("bits=8 quantization.layer_bits=['*:32/32']", "leaves no layer to quantize"),
    ],
)
def test_refused_before_training(tmp_path, overrides, message):
    with pytest.raises(InputError) as refused:
        run_here(*TINY, "strategy=none", *overrides.split(), run_dir=tmp_path / "run", output_dir=tmp_path)
    assert message in str(refused.value)
    assert not list(tmp_path.glob("store/dense-*"))


def test_both_bits_off_is_no_stage(make, outputs):
    make("compact", "strategy=oneshot_l1 bits=32")
    assert not list(outputs.glob("store/quantize-*"))


def test_reduced_range_is_seven_bits(make):
    made = make("quantize", "strategy=none bits=8 quantization.reduce_range=true")
    assert made.results["reduced_range"]
    assert {row["weight_bits"] for row in made.results["layers"]} == {7}
    less = make("quantize", "strategy=none bits=4 quantization.reduce_range=true")
    assert not less.results["reduced_range"]
    state = load_file(made.path / "model.safetensors")
    assert max(int(state[f"{name}.weight"].abs().max()) for name in LAYERS) == 63


def test_a_damaged_plan_is_an_error_of_the_file():
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


def test_held_out_images_are_of_all_classes(tmp_path):
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)
    labels = torch.cat([labels for _, labels in held_out_images(context, 60)])
    assert len(labels) == 60
    assert len(labels.unique()) == 10
    everything = torch.cat([labels for _, labels in held_out_images(context, 10**6)])
    assert torch.equal(everything, context.data.val.labels)
