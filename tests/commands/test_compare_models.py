import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from small_files import ALLOW, cells, metrics_of, run

from compression.commands import compare_models as compare
from compression.commands.compare_models import Measuring, compare_files, measure_latency
from compression.commands.compared_file import open_file
from compression.core.errors import InputError
from compression.reporting.byte_shares import PARTS
from compression.runtimes.measure import LatencyRecord

RECORD = LatencyRecord(batch_size=1, warmup=0, rounds_ms=(1.0, 1.0, 1.0))


def files(compared, *names):
    return [compared / name / "model.cmp" for name in names]


def test_description_and_bytes_of_files(compared):
    result = run("compare", *files(compared, "a", "b", "d"), *ALLOW)
    assert result.exit_code == 0, result.output
    sizes = [path.stat().st_size for path in files(compared, "a", "b", "d")]
    rows = cells(result.stdout)
    assert result.stdout.splitlines()[:3] == [
        f"{i}  {path}" for i, path in enumerate(files(compared, "a", "b", "d"), 1)
    ]
    assert rows["architecture"] == ["Net"] * 3
    assert rows["classes"] == ["2"] * 3
    assert rows["input"] == ["8x8", "16x16", "8x8"]
    assert rows["arithmetic"] == ["float32"] * 3
    # Two of the 3 x 2 weights are not zero; both biases are zero.
    assert rows["parameters"] == ["8", "8", "8"]
    assert rows["non-zero parameters"] == ["2", "2", "0"]
    assert rows["sparsity of weights"] == ["66.67 %", "66.67 %", "100.00 %"]
    assert rows["MACs per image"] == ["6", "6", "6"]
    assert rows["of non-zero weights"] == ["2", "2", "0"]
    assert rows["bytes"] == [f"{size:,}" for size in sizes]
    parts = [[int(cell.replace(",", "")) for cell in rows[part.strip()]] for part in PARTS.values()]
    assert [sum(column) for column in zip(*parts, strict=True)] == sizes
    assert rows["dense model, safetensors"] == ["5,000", "-", "-"]
    assert rows["times smaller"] == [f"{5000 / sizes[0]:.2f}x", "-", "-"]
    assert "test accuracy" not in rows


def test_results_of_the_files_own_runs(compared):
    [a, b] = files(compared, "a", "b")
    (a.parent / "metrics.json").write_text(json.dumps(metrics_of(a)))
    # This record belongs to another file, which was there before.
    other = metrics_of(b)
    other["compressed"]["bytes"]["artifact"] += 1
    (b.parent / "metrics.json").write_text(json.dumps(other))
    rows = cells(run("compare", a, b, *ALLOW).stdout)
    assert rows["test accuracy"] == ["88.50 %", "-"]
    assert rows["against its dense model"] == ["-1.50 points", "-"]
    assert rows["latency in its own run"] == ["0.50 ms", "-"]
    assert rows["engine"] == ["openvino", "-"]
    assert rows["batch"] == ["1", "-"]


def test_agreement_on_images(compared):
    result = run(
        "compare", *files(compared, "a", "b", "c"), *ALLOW, "--agree", compared / "images", "--engine", "eager"
    )
    assert result.exit_code == 0, result.output
    rows = cells(result.stdout)
    # a and b look at the colour, in any order of their classes. c always says red; two of three images are red.
    assert rows["same class as 1, 3 images"] == ["100.00 %", "66.67 %"]
    assert rows["same class as 2, 3 images"] == ["66.67 %"]


def test_latency_is_measured_in_turns(compared, monkeypatch):
    opened = [open_file(path, allow=["colour_net"], max_bytes=None) for path in files(compared, "a", "b", "c")]
    rounds = {"0": (2.0, 4.0, 6.0), "1": (1.0, 2.0, 3.0), "2": (1.0, 8.0, 6.0)}

    def fake(predictors, *, batch, warmup, repeats):
        assert (list(predictors), batch.shape, warmup, repeats) == (["0", "1", "2"], (4, 3, 8, 8), 5, 3)
        return {name: LatencyRecord(batch_size=4, warmup=5, rounds_ms=times) for name, times in rounds.items()}

    monkeypatch.setattr(compare, "measure_alternating", fake)
    how = Measuring(["eager"], batch_size=4, threads=1, repeats=3)
    rows = cells(compare_files(opened, measuring=how))
    assert rows["latency, eager, batch 4, 1 thread"] == ["4.000 ms", "2.000 ms", "6.000 ms"]
    # The first and second of three values are 50 percentiles apart, so the 10th percentile is a fifth of the way.
    assert rows["p10 to p90 of 3 rounds"] == ["2.400 to 5.600", "1.200 to 2.800", "2.000 to 7.600"]
    # The ratios by round are 2, 2, 2 and 2, 0.5, 1.
    assert rows["against 1"] == ["2.00x faster", "no difference"]
    assert rows["p10 to p90 of the ratio"] == ["2.00x to 2.00x", "0.60x to 1.80x"]


@pytest.mark.compiler
def test_the_sparse_engine_is_timed_too_where_it_can_run_all_files(compared, monkeypatch):
    """File 1 is fastest in onnxruntime with 4 ms, file 2 in sparse with 1 ms."""
    opened = [open_file(path, allow=["colour_net"], max_bytes=None) for path in files(compared, "a", "d")]
    medians = {"0": 4.0, "1": 3.0, "2": 5.0, "3": 1.0}

    def fake(predictors, *, batch, **_):
        for predict in predictors.values():
            assert predict(batch).shape == (1, 2)
        return {name: LatencyRecord(batch_size=1, warmup=0, rounds_ms=(time,) * 3) for name, time in medians.items()}

    monkeypatch.setattr(compare, "measure_alternating", fake)
    how = Measuring([], batch_size=1, threads=1, repeats=3)
    text = compare_files(opened, measuring=how)
    rows = cells(text)
    assert rows["latency, onnxruntime, batch 1, 1 thread"] == ["4.000 ms", "3.000 ms"]
    assert rows["latency, sparse, batch 1, 1 thread"] == ["5.000 ms", "1.000 ms"]
    assert rows["fastest engine, batch 1, 1 thread"] == ["onnxruntime", "sparse"]
    assert rows["against 1"] == ["4.00x faster"]
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(compare, "measure_latency", lambda predictors, **_: [RECORD for _ in predictors])
    text = compare_files(opened, measuring=how)
    assert text.endswith(
        "engine sparse is left out: CC=no-such-compiler: no such compiler; set CC to a C compiler, or unset it"
    )
    assert not [name for name in cells(text) if "fastest" in name]
    with pytest.raises(InputError, match=r"^CC=no-such-compiler"):
        compare_files(opened, measuring=replace(how, engines=["sparse"]))


def test_each_model_is_timed_on_images_of_the_size_it_needs():
    seen = []
    predictors = [lambda batch, name=name: seen.append((name, batch.shape)) for name in "ab"]
    how = Measuring(["eager"], batch_size=2, threads=1, warmup=0, repeats=1)
    records = measure_latency(predictors, image_shapes=[(3, 8, 8), (1, 16, 16)], how=how, seed=0)
    assert set(seen) == {("a", (2, 3, 8, 8)), ("b", (2, 1, 16, 16))}
    assert [(record.batch_size, record.repeats) for record in records] == [(2, 1), (2, 1)]


def test_errors_are_one_line(compared, monkeypatch):
    monkeypatch.chdir(compared)
    save_file({"x": torch.zeros(1)}, compared / "bare.safetensors")
    (compared / "text.txt").write_text("hello")
    (compared / "bad").mkdir()
    (compared / "bad" / "model.cmp").write_bytes((compared / "c" / "model.cmp").read_bytes())
    (compared / "bad" / "metrics.json").write_text("{")
    cases = {
        ("nowhere.cmp",): "nowhere.cmp does not exist; allowed: model.cmp files, and dense.safetensors of a run",
        ("a",): "a is a folder; allowed: model.cmp files, and dense.safetensors of a run",
        ("bare.safetensors",): "bare.safetensors does not name its network; allowed: model.cmp files, ",
        ("text.txt",): "text.txt is not an artifact of this package",
        ("a/model.cmp",): "model colour_net.Net is not one of compression.models and would run code",
        ("bad/model.cmp", *ALLOW): "bad/metrics.json is not the record of a run: JSONDecodeError",
        ("a/model.cmp", "d/model.cmp", *ALLOW, "--agree", "images"): "--agree needs files of the same classes: "
        "a/model.cmp has 2 (blue, red), d/model.cmp 2 (cat, dog)",
        ("a/model.cmp", *ALLOW, "--agree", "none"): "none does not exist; allowed: image files and folders of them",
    }
    for arguments, message in cases.items():
        result = run("compare", *arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith(f"error: {message}")
        assert result.stderr.count("\n") == 1
