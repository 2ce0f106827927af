"""Complete runs with quantization. Files and reports say whether it is executed in integers or simulated."""

import json

import pytest
from onnx_properties import read_metadata
from processors import WITHOUT_VNNI, state_processor
from runs import WIDE, run_here

from compression.artifact import load_artifact
from compression.quantization.network.integer_layers import DynamicLayer, IntegerLayer, WeightOnlyLayer

LAYERS = ["features.0", "features.3", "classifier"]
SLOW = pytest.mark.slow
QAT = "quantization=qat quantization.training.epochs=1"


FILES = ("tiny_net",)


def run_metrics(tmp_path, outputs, *overrides):
    run_dir = tmp_path / "run"
    run_here(*WIDE, *overrides, run_dir=run_dir, output_dir=outputs)
    return json.loads((run_dir / "metrics.json").read_text()), run_dir


@pytest.mark.compiler
def test_int8_is_executed_and_labelled(tmp_path, outputs, monkeypatch):
    # The run requests 8 bits. 7-bit weights do not saturate on any processor.
    state_processor(monkeypatch, WITHOUT_VNNI)
    engines = "runtime.engines=[eager,onnxruntime,sparse]"
    metrics, run_dir = run_metrics(tmp_path, outputs, "strategy=oneshot_l1", "sparsity=0.5", "bits=8", engines)
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
    assert parity["sparse"]["agreement"] == 1.0
    assert parity["sparse"]["images"] == parity["images"]
    assert parity["sparse"]["accuracy_executed"] == parity["accuracy_simulated"]
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
    assert "| sparse (integers in floats), batch 1 |" in report
    assert "The engine sparse, on integers that floats carry: 100.00 % the same class" in report
    assert (metrics["run"]["weight_bits"], metrics["run"]["actual_weight_bits"]) == (8, [7, 7])
    assert (metrics["run"]["activation_bits"], metrics["run"]["actual_activation_bits"]) == (8, [8, 8])
    assert parity["graph_optimization"] == carried["graph_optimization"] == "ORT_ENABLE_ALL"
    assert parity["logits"] == 10 * parity["images"]
    assert 0 <= parity["relative_logit_error"] < 0.05
    assert f"{parity['differing_logits']:,} of {parity['logits']:,} differ" in report
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
        pytest.param("weight_bits=6 activation_bits=8", "W6A8, simulated, stored packed", IntegerLayer, marks=SLOW),
        pytest.param(
            "bits=4 quantization/activations=percentile", "W4A4, simulated, stored packed", IntegerLayer, marks=SLOW
        ),
        ("weight_bits=8 quantization=weight_only", "W8A32, computed in float32", WeightOnlyLayer),
        pytest.param("weight_bits=3", "W3A32, simulated, stored packed", WeightOnlyLayer, marks=SLOW),
        pytest.param("bits=8 quantization=dynamic", "W8A8 dynamic, executed in integers", DynamicLayer, marks=SLOW),
        pytest.param(
            f"weight_bits=4 activation_bits=8 {QAT}", "W4A8, simulated, stored packed", IntegerLayer, marks=SLOW
        ),
    ],
)
def test_every_method_runs_to_the_end(tmp_path, outputs, overrides, arithmetic, kind):
    metrics, run_dir = run_metrics(tmp_path, outputs, "strategy=none", *overrides.split())
    assert metrics["quantization"]["arithmetic"] == arithmetic
    assert metrics["quantization"]["parity"]["agreement"] >= 0.99
    model = load_artifact(run_dir / "model.cmp", allow=FILES).model
    assert [type(model.get_submodule(name)) for name in LAYERS] == [kind] * 3
    if kind is not WeightOnlyLayer:
        # Weights with fewer than 8 bits are executed as 8-bit integers, too.
        counts = metrics["quantization"]["parity"]["executed_layers"]["counts"]
        assert counts["convolution"] == {"integer": 2, "float": 0}
        assert counts["linear"] == {"integer": 1, "float": 0}
    label = arithmetic.split(", ", 1)[1]
    assert label in (run_dir / "report.md").read_text()
