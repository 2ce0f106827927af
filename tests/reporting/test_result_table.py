import copy
import io
import re

import pytest
from rich.console import Console

from compression.reporting.metrics import make_metrics
from compression.reporting.result_table import (
    Row,
    describe_left_out,
    files_to_markdown,
    left_out_to_markdown,
    make_rows,
    to_markdown,
    to_rich,
)


def rows_of(evaluated):
    metrics = make_metrics(run={}, evaluated=evaluated, stage_seconds={}, provenance={})
    return make_rows(metrics)


def row(rows, start):
    """Return the only row with a metric that begins with ``start``."""
    (found,) = [row for row in rows if row.metric.startswith(start)]
    return found


def number(text):
    return float(re.search(r"[-+]?[\d,]+(\.\d+)?", text)[0].replace(",", ""))


def test_the_table_has_8_to_12_complete_rows(evaluated):
    rows = rows_of(evaluated)
    assert 8 <= len(rows) <= 12
    assert all(entry.dense and entry.compressed for entry in rows)
    assert len({entry.metric for entry in rows}) == len(rows)


def test_accuracy(evaluated):
    found = row(rows_of(evaluated), "test accuracy")
    assert (number(found.dense), number(found.compressed), number(found.improvement)) == (98, 96.5, -1.5)


def test_a_gain_in_accuracy_is_shown_as_a_gain(evaluated):
    evaluated["compressed"]["accuracy"] = 0.99
    assert row(rows_of(evaluated), "test accuracy").improvement.startswith("+1.00")


def test_the_same_accuracy_has_no_minus(evaluated):
    evaluated["compressed"]["accuracy"] = 0.98
    assert row(rows_of(evaluated), "test accuracy").improvement.startswith("+0.00")


def test_sparsity_and_counts(evaluated):
    rows = rows_of(evaluated)
    assert [number(text) for text in (row(rows, "sparsity").dense, row(rows, "sparsity").compressed)] == [0, 90]
    found = row(rows, "non-zero parameters")
    assert (number(found.dense), number(found.compressed), number(found.improvement)) == (2_000_000, 250_000, 8)
    found = row(rows, "MACs")
    assert (number(found.dense), number(found.compressed), number(found.improvement)) == (6.4, 3.2, 2)


def test_file_is_the_safetensors_file_against_the_artifact(evaluated):
    found = row(rows_of(evaluated), "file")
    assert (number(found.dense), number(found.compressed), number(found.improvement)) == (8, 1, 8)


def improvements(evaluated):
    return {entry.metric: entry.improvement for entry in rows_of(evaluated)}


def test_losses_are_described_as_losses(evaluated):
    """A larger file and a slower model are never described as a gain."""
    gain = row(rows_of(evaluated), "file").improvement
    evaluated["compressed"]["bytes"]["artifact"] = 2**25
    loss = row(rows_of(evaluated), "file").improvement
    assert number(gain) == 8
    assert number(loss) == 4
    assert gain.replace("8.00", "") != loss.replace("4.00", "")
    slower = row(rows_of(evaluated), "load the file").improvement
    assert number(slower) == 2
    evaluated["timing"]["compressed"]["load_seconds"] = 0.01
    faster = row(rows_of(evaluated), "load the file").improvement
    assert number(faster) == 2
    assert slower != faster


def test_latency_gains_and_losses(evaluated):
    rows = {entry.metric: entry for entry in rows_of(evaluated)}
    (eager,) = [entry for metric, entry in rows.items() if "eager, batch 1" in metric]
    (onnx,) = [entry for metric, entry in rows.items() if "onnxruntime, batch 64" in metric]
    assert number(eager.improvement) == 1.25
    assert number(onnx.improvement) == 2
    assert eager.improvement.replace("1.25", "") != onnx.improvement.replace("2.00", "")
    assert (number(eager.dense), number(eager.compressed)) == (5, 4)


def test_no_speed_up_is_claimed_within_the_spread(evaluated):
    evaluated["timing"]["latency"][0]["speedup"] = {"median": 1.05, "p10": 0.97, "p90": 1.1}
    (found,) = [text for metric, text in improvements(evaluated).items() if "eager" in metric]
    assert not re.search(r"\d", found)


def add_sparse(evaluated, milliseconds):
    """Add the sparse engine at batch 1, where eager needs 5 ms for the dense and 4 ms for the compressed model."""
    entry = copy.deepcopy(evaluated["timing"]["latency"][0]) | {"engine": "sparse"}
    entry["dense"]["latency_ms"]["median"] = 8.0
    entry["compressed"]["latency_ms"]["median"] = milliseconds
    entry["speedup_over_best_dense"] = {"median": 5 / milliseconds, "p10": 2.0, "p90": 3.0}
    evaluated["timing"]["latency"].append(entry)


def test_the_fastest_engine_of_each_model_is_named(evaluated):
    add_sparse(evaluated, 2.0)
    found = row(rows_of(evaluated), "fastest engines")
    assert found == Row("fastest engines, batch 1", "5.00 ms, eager", "2.00 ms, sparse", "2.50x faster")


def test_small_numbers_are_not_rounded_to_zero(evaluated):
    for side, macs in (("dense", 98_765), ("compressed", 31_416)):
        evaluated[side] |= {"macs": macs, "nonzero_macs": macs}
    evaluated["timing"]["latency"][0]["compressed"]["latency_ms"] |= {"median": 0.0042}
    rows = rows_of(evaluated)
    macs = row(rows, "MACs per image")
    assert (macs.dense, macs.compressed) == ("0.0988 M", "0.0314 M")
    assert row(rows, "eager, batch 1").compressed == "0.0042 ms"


def test_the_same_fastest_engine_needs_no_row_of_its_own(evaluated):
    add_sparse(evaluated, 4.5)
    assert not [metric for metric in improvements(evaluated) if "fastest" in metric]


def test_an_engine_that_was_not_timed_is_named_with_the_reason():
    assert left_out_to_markdown({}) == ""
    left_out = {"sparse": "engine sparse: no C compiler; install gcc"}
    assert describe_left_out(left_out) == ["engine sparse is left out: no C compiler; install gcc"]
    assert left_out_to_markdown(left_out) == "\nThe engine sparse is left out: no C compiler; install gcc.\n"


def test_nothing_changed(evaluated):
    evaluated["compressed"] = dict(evaluated["dense"], bytes=evaluated["dense"]["bytes"] | {"artifact": 2**23})
    assert not re.search(r"\d", row(rows_of(evaluated), "file").improvement)
    assert not re.search(r"\d", row(rows_of(evaluated), "MACs").improvement)


def test_memory_that_was_not_measured_has_no_row(evaluated):
    for name in ("dense", "compressed"):
        evaluated["timing"][name]["peak_memory_bytes"] = None
    assert not [metric for metric in improvements(evaluated) if "memory" in metric]


def test_memory_too_small_to_measure(evaluated):
    """Inference of a small network may need no more memory than loading it."""
    evaluated["timing"]["compressed"]["peak_memory_bytes"] = 0
    assert row(rows_of(evaluated), "memory of").compressed == "0 bytes"
    evaluated["timing"]["dense"]["peak_memory_bytes"] = 0
    assert row(rows_of(evaluated), "memory of").dense == "0 bytes"


def test_markdown():
    assert to_markdown([Row("bytes", "2", "1", "2.00x smaller")]) == (
        "| metric | dense | compressed | improvement |\n|---|---:|---:|---:|\n| bytes | 2 | 1 | 2.00x smaller |\n"
    )


def test_terminal(evaluated):
    output = io.StringIO()
    rows = rows_of(evaluated)
    Console(file=output, width=120).print(to_rich(rows, "my_run, 360 test images"))
    text = output.getvalue()
    assert "my_run, 360 test images" in text
    for entry in rows:
        assert all(part in text for part in (entry.metric, entry.dense, entry.compressed, entry.improvement))


def quantized_rows(evaluated, arithmetic):
    evaluated["compressed"]["accuracy_simulated"] = 0.964
    evaluated["parity"] = {"agreement": 0.9991}
    metrics = make_metrics(
        run={}, evaluated=evaluated, quantization={"arithmetic": arithmetic}, stage_seconds={}, provenance={}
    )
    return make_rows(metrics)


def test_executed_and_simulated_are_never_one_row(evaluated):
    rows = quantized_rows(evaluated, "W8A8, executed in integers")
    assert row(rows, "test accuracy").compressed == "96.50 %"
    assert row(rows, "  the same, simulated").compressed == "96.40 %"
    assert row(rows, "  the same, simulated").improvement == "99.91 % the same class"
    found = row(rows, "arithmetic")
    assert (found.dense, found.compressed, found.improvement) == ("float32", "W8A8", "executed in integers")
    assert [one.metric for one in rows if one.metric.startswith("eager")] == ["eager (simulation), batch 1"]


def test_the_error_of_logits_stands_below_equal_classes(evaluated):
    evaluated["compressed"]["accuracy_simulated"] = 0.965
    evaluated["parity"] = {
        "agreement": 1.0,
        "logits": 37_000,
        "differing_logits": 13_057,
        "relative_logit_error": 0.0031,
    }
    quantization = {"arithmetic": "W8A8, executed in integers"}
    metrics = make_metrics(run={}, evaluated=evaluated, quantization=quantization, stage_seconds={}, provenance={})
    found = row(make_rows(metrics), "  relative error of logits")
    assert (found.compressed, found.improvement) == ("0.31 %", "13,057 of 37,000 differ")


def test_biases_of_folded_batch_norms_are_no_row(evaluated):
    evaluated["compressed"]["nonzero_parameters"] = 2_020_000
    assert not [metric for metric in improvements(evaluated) if "non-zero parameters" in metric]
    run = {"distillation": {"student": {"model": "resnet18"}}}
    metrics = make_metrics(run=run, evaluated=evaluated, stage_seconds={}, provenance={})
    assert row(make_rows(metrics), "non-zero parameters").improvement == "1.01x more"


def test_below_8_bits_accuracy_and_speed_are_labelled(evaluated):
    add_sparse(evaluated, 2.0)
    rows = quantized_rows(evaluated, "W4A6, simulated, stored packed")
    assert row(rows, "arithmetic").improvement == "simulated, stored packed"
    engines = {one.metric.split(",")[0] for one in rows if ", batch" in one.metric} - {"fastest engines"}
    assert engines == {"eager (simulation)", "onnxruntime (held in 8 bits)", "sparse (integers in floats)"}


@pytest.mark.parametrize(
    ("arithmetic", "artifact", "onnx"),
    [
        (None, "FP32", "FP32"),
        ("W8A8, executed in integers", "W8A8, executed in integers", "INT8 (W8A8, executed in integers)"),
        # ONNX holds four bits in a byte.
        ("W4A8, simulated, stored packed", "W4A8, simulated, stored packed", "INT8 (W4A8, simulated)"),
    ],
)
def test_every_file_has_its_label_and_bytes(evaluated, arithmetic, artifact, onnx):
    metrics = make_metrics(run={}, evaluated=evaluated, stage_seconds={}, provenance={})
    metrics["quantization"] = arithmetic and {"arithmetic": arithmetic}
    assert files_to_markdown(metrics).splitlines()[5:] == [
        f"| model.cmp | the compressed model, {artifact} | 1,048,576 |",
        f"| model.onnx | the same as ONNX, {onnx} | 8,100,000 |",
        "| dense.safetensors | the dense model, FP32 | 8,388,608 |",
        "| dense.onnx | the same as ONNX, FP32 | 8,100,000 |",
    ]
    small = "| before_finetune.cmp | the pruned model before fine-tuning, FP32 | 4,000 |"
    assert small in files_to_markdown(metrics, before_finetune=4000).splitlines()


def test_failure_modes_stand_below_the_accuracy(evaluated):
    share = {"value": 0.98, "low": 0.95, "high": 0.99}
    worst = {"name": "[red]|<b>", "recall": 0.9}
    side = {"accuracy": share, "balanced_accuracy": share, "worst_class": worst}
    change = {"accuracy": {"value": 0.0, "low": -0.01, "high": 0.01}, "classes": []}
    failures = {"dense": side, "compressed": side, "change": change, "layers": None}
    metrics = make_metrics(run={}, evaluated=evaluated, stage_seconds={}, provenance={}, failure_modes=failures)
    rows = make_rows(metrics)
    names = [row.metric.strip() for row in rows]
    assert names[:4] == ["test accuracy", "95 % interval", "balanced accuracy", "95 % interval"]
    # The name of a class is a name, not markup.
    assert r"| [red]\|&lt;b>, 90.00 % |" in to_markdown(rows)
    console = Console(file=io.StringIO(), width=160)
    console.print(to_rich(rows, "run"))
    assert "[red]|<b>, 90.00 %" in console.file.getvalue()
