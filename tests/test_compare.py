import json
import re
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner
from wrong_values import with_wrong_values

from compression.artifact import save_artifact
from compression.cli import app
from compression.commands import compare
from compression.commands.compare import Measuring, compare_files, measure_latency
from compression.commands.compared_file import open_file
from compression.commands.own_run import OwnRun, read_own_run
from compression.core.errors import InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.runtimes.measure import LatencyRecord

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, *, num_classes, wide=False):
        super().__init__()
        self.fc = nn.Linear(3, num_classes)

    def forward(self, images):
        return self.fc(images.mean((2, 3)))
"""
MOBILE = "compression.models.mobilenet_v2.mobilenet_v2"


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *(str(argument) for argument in arguments)])


def cells(text):
    """Return the table's rows by their first column."""
    lines = text.partition("\n\n")[2].splitlines()
    rows = [re.split(r" {2,}", line.strip()) for line in lines]
    return {row[0]: row[1:] for row in rows}


def save_net(path, weight, *, names, size=8, bias=(0.0, 0.0), info=None):
    net = torch.nn.Module()
    net.fc = torch.nn.Linear(3, 2)
    with torch.no_grad():
        net.fc.weight.copy_(torch.tensor(weight))
        net.fc.bias.copy_(torch.tensor(bias))
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_artifact(
        path,
        net,
        architecture={"target": "compare_test_net.Net", "kwargs": {}, "num_classes": 2},
        class_names=names,
        input={"size": size, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        info=info,
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three files that look at red and blue, and three images: one blue, two red."""
    (tmp_path / "compare_test_net.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    save_net(
        tmp_path / "a/model.cmp", [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], names=["blue", "red"], info={"dense_bytes": 5000}
    )
    # The same with its classes the other way round, and larger images.
    save_net(tmp_path / "b/model.cmp", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], names=["red", "blue"], size=16)
    save_net(tmp_path / "c/model.cmp", [[0.0] * 3] * 2, names=["blue", "red"], bias=(0.0, 1.0))
    save_net(tmp_path / "d/model.cmp", [[0.0] * 3] * 2, names=["cat", "dog"])
    (tmp_path / "images").mkdir()
    for name, colour in {"1": (0, 0, 255), "2": (255, 0, 0), "3": (200, 0, 0)}.items():
        Image.new("RGB", (20, 20), colour).save(tmp_path / "images" / f"{name}.png")
    yield tmp_path
    sys.modules.pop("compare_test_net", None)


def files(folder, *names):
    return [folder / name / "model.cmp" for name in names]


ALLOW = ("--allow-import", "compare_test_net")


def test_what_the_files_are(folder):
    result = run(*files(folder, "a", "b", "d"), *ALLOW)
    assert result.exit_code == 0, result.output
    sizes = [path.stat().st_size for path in files(folder, "a", "b", "d")]
    rows = cells(result.stdout)
    assert result.stdout.splitlines()[:3] == [f"{i}  {path}" for i, path in enumerate(files(folder, "a", "b", "d"), 1)]
    assert rows["architecture"] == ["Net"] * 3
    assert rows["classes"] == ["2"] * 3
    assert rows["input"] == ["8x8", "16x16", "8x8"]
    assert rows["arithmetic"] == ["float32"] * 3
    # 3 x 2 weights, of which two are not zero, and two biases of zero.
    assert rows["parameters"] == ["8", "8", "8"]
    assert rows["non-zero parameters"] == ["2", "2", "0"]
    assert rows["sparsity of weights"] == ["66.67 %", "66.67 %", "100.00 %"]
    assert rows["MACs per image"] == ["6", "6", "6"]
    assert rows["bytes"] == [f"{size:,}" for size in sizes]
    parts = [[int(cell.replace(",", "")) for cell in rows[part.strip()]] for part in compare._PARTS]
    assert [sum(column) for column in zip(*parts, strict=True)] == sizes
    assert rows["dense model, safetensors"] == ["5,000", "-", "-"]
    assert rows["times smaller"] == [f"{5000 / sizes[0]:.2f}x", "-", "-"]
    assert "test accuracy" not in rows


def metrics_of(path, *, dense_bytes=1):
    latency = [
        {"engine": "eager", "batch_size": 1, "compressed": {"latency_ms": {"median": 2.0, "p10": 1, "p90": 3}}},
        {"engine": "openvino", "batch_size": 1, "compressed": {"latency_ms": {"median": 0.5, "p10": 1, "p90": 3}}},
        {"engine": "eager", "batch_size": 64, "compressed": {"latency_ms": {"median": 0.1, "p10": 1, "p90": 3}}},
    ]
    for row in latency:
        row["dense"] = row["compressed"]
    return {
        "run": {"model": MOBILE, "model_settings": {"width_mult": 0.1, "pretrained": True}},
        "dense": {"accuracy": 0.9, "bytes": {"safetensors": dense_bytes}},
        "compressed": {"accuracy": 0.885, "bytes": {"artifact": path.stat().st_size}},
        "timing": {"latency": latency},
    }


def test_what_their_runs_found(folder):
    [a, b] = files(folder, "a", "b")
    (a.parent / "metrics.json").write_text(json.dumps(metrics_of(a)))
    # Of another file, which lay there before.
    other = metrics_of(b)
    other["compressed"]["bytes"]["artifact"] += 1
    (b.parent / "metrics.json").write_text(json.dumps(other))
    rows = cells(run(a, b, *ALLOW).stdout)
    assert rows["test accuracy"] == ["88.50 %", "-"]
    assert rows["against its dense model"] == ["-1.50 points", "-"]
    assert rows["latency in its own run"] == ["0.50 ms", "-"]
    assert rows["engine"] == ["openvino", "-"]
    assert rows["batch"] == ["1", "-"]


def test_the_imitation_of_integers_is_no_latency(folder):
    [a] = files(folder, "a")
    found = metrics_of(a) | {"quantization": {"method": "ptq"}}
    found["timing"]["latency"][0]["compressed"] = {"latency_ms": {"median": 0.01, "p10": 0.01, "p90": 0.01}}
    (a.parent / "metrics.json").write_text(json.dumps(found))
    rows = cells(run(a, *ALLOW).stdout)
    assert (rows["latency in its own run"], rows["engine"]) == (["0.50 ms"], ["openvino"])
    assert open_file(a, allow=["compare_test_net"], max_bytes=None).run.gain == pytest.approx(-1.5)


def save_run(folder):
    """Leave a dense and a compressed file and what their run found, as a run does; return the dense model."""
    model = mobilenet_v2(num_classes=2, width_mult=0.1)
    save_file(model.state_dict(), folder / "dense.safetensors")
    save_artifact(
        folder / "model.cmp",
        model,
        architecture={"target": MOBILE, "kwargs": {"width_mult": 0.1}, "num_classes": 2},
        class_names=["blue", "red"],
        input={"size": 16, "mean": [0.5] * 3, "std": [0.25] * 3},
    )
    size = (folder / "dense.safetensors").stat().st_size
    (folder / "metrics.json").write_text(json.dumps(metrics_of(folder / "model.cmp", dense_bytes=size)))
    return model


def test_the_dense_file_of_a_run(tmp_path):
    model = save_run(tmp_path)
    size = (tmp_path / "dense.safetensors").stat().st_size
    result = run(tmp_path / "dense.safetensors", tmp_path / "model.cmp")
    assert result.exit_code == 0, result.output
    rows = cells(result.stdout)
    assert rows["bytes"][0] == f"{size:,}"
    assert rows["times smaller"][0] == "1.00x"
    assert rows["test accuracy"] == ["90.00 %", "88.50 %"]
    assert rows["parameters"][0] == f"{sum(one.numel() for one in model.parameters()):,}"
    assert rows["weights: values"][0] == f"{sum(4 * one.numel() for one in model.parameters() if one.dim() > 1):,}"
    # Folding batch norm leaves the same multiplications.
    assert rows["MACs per image"][0] == rows["MACs per image"][1]


@pytest.mark.parametrize(("side", "key"), [("dense", "safetensors"), ("compressed", "artifact")])
def test_whatever_is_wrong_in_the_record_of_a_run_is_one_line(folder, side, key):
    [a] = files(folder, "a")
    path, metrics = a.parent / "metrics.json", metrics_of(a)
    path.write_text(json.dumps(metrics))
    num_bytes = metrics[side]["bytes"][key]
    whole = read_own_run(a.parent, side=side, key=key, num_bytes=num_bytes)
    assert isinstance(whole, OwnRun)
    told = []
    for _, changed in with_wrong_values(metrics):
        path.write_text(json.dumps(changed))
        try:
            read_own_run(a.parent, side=side, key=key, num_bytes=num_bytes)
        except InputError as error:
            told.append(str(error))
    # What it does not read may be anything.
    assert len(told) > 100
    assert all(message.startswith(f"{path} is not the record of a run: ") for message in told)
    assert not any("\n" in message for message in told)


def test_a_record_that_names_another_network_is_one_line(tmp_path):
    save_run(tmp_path)
    path = tmp_path / "metrics.json"
    metrics, told = json.loads(path.read_text()), []
    for _, changed in with_wrong_values(metrics["run"]):
        path.write_text(json.dumps(metrics | {"run": changed}))
        try:
            compare_files([open_file(tmp_path / "dense.safetensors", allow=[], max_bytes=None)])
        except InputError as error:
            told.append(str(error))
    # All but those that give the same network.
    assert len(told) > 20
    assert not any("\n" in message for message in told)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda metrics: metrics.pop("timing"), "KeyError: 'timing'"),
        (lambda metrics: metrics["run"].pop("model"), "KeyError: 'model'"),
        (lambda metrics: metrics["dense"].update(accuracy="x"), "ValueError: 'x' is not a number from 0 to 1"),
        (lambda metrics: metrics["run"].update(model=5), "ValueError: model 5 and model_settings "),
    ],
)
def test_a_damaged_record_beside_a_file_is_named(tmp_path, change, reason):
    save_run(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    change(metrics)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    result = run(tmp_path / "dense.safetensors")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path}/metrics.json is not the record of a run: {reason}")
    assert result.stderr.count("\n") == 1


def test_how_often_they_agree(folder):
    result = run(*files(folder, "a", "b", "c"), *ALLOW, "--agree", folder / "images", "--engine", "eager")
    assert result.exit_code == 0, result.output
    rows = cells(result.stdout)
    # a and b look at the colour, whatever the order of their classes; c always says red, which two of three are.
    assert rows["same class as 1, 3 images"] == ["100.00 %", "66.67 %"]
    assert rows["same class as 2, 3 images"] == ["66.67 %"]


def test_measured_in_turns(folder, monkeypatch):
    opened = [open_file(path, allow=["compare_test_net"], max_bytes=None) for path in files(folder, "a", "b", "c")]
    rounds = {"0": (2.0, 4.0, 6.0), "1": (1.0, 2.0, 3.0), "2": (1.0, 8.0, 6.0)}

    def fake(predictors, *, batch, warmup, repeats):
        assert (list(predictors), batch.shape, warmup, repeats) == (["0", "1", "2"], (4, 3, 8, 8), 5, 3)
        return {name: LatencyRecord(batch_size=4, warmup=5, rounds_ms=times) for name, times in rounds.items()}

    monkeypatch.setattr(compare, "measure_alternating", fake)
    how = Measuring("eager", batch_size=4, threads=1, repeats=3)
    rows = cells(compare_files(opened, measuring=how, engine="eager", threads=1))
    assert rows["latency, eager, batch 4, 1 thread"] == ["4.000 ms", "2.000 ms", "6.000 ms"]
    # Between the first and the second of three there are 50 points: the 10th percentile is a fifth of the way.
    assert rows["p10 to p90 of 3 rounds"] == ["2.400 to 5.600", "1.200 to 2.800", "2.000 to 7.600"]
    # Round by round 2, 2, 2 and 2, 0.5, 1.
    assert rows["against 1"] == ["2.00x faster", "no difference"]
    assert rows["p10 to p90 of the ratio"] == ["2.00x to 2.00x", "0.60x to 1.80x"]


def test_each_is_timed_on_images_of_its_own_size():
    seen = []
    predictors = [lambda batch, name=name: seen.append((name, batch.shape)) for name in "ab"]
    how = Measuring("eager", batch_size=2, threads=1, warmup=0, repeats=1)
    records = measure_latency(predictors, image_sizes=[8, 16], how=how, seed=0)
    assert set(seen) == {("a", (2, 3, 8, 8)), ("b", (2, 3, 16, 16))}
    assert [(record.batch_size, record.repeats) for record in records] == [(2, 1), (2, 1)]


def test_errors_are_one_line(folder, monkeypatch):
    monkeypatch.chdir(folder)
    save_file({"x": torch.zeros(1)}, folder / "bare.safetensors")
    (folder / "bad").mkdir()
    (folder / "bad" / "model.cmp").write_bytes((folder / "c" / "model.cmp").read_bytes())
    (folder / "bad" / "metrics.json").write_text("{")
    cases = {
        ("nowhere.cmp",): "nowhere.cmp does not exist; allowed: model.cmp files, and dense.safetensors of a run",
        ("a",): "a is a folder; allowed: model.cmp files, and dense.safetensors of a run",
        ("bare.safetensors",): "bare.safetensors does not say what network it is of; allowed: model.cmp files, ",
        ("compare_test_net.py",): "compare_test_net.py is not an artifact of this package",
        ("a/model.cmp",): "model compare_test_net.Net is not one of compression.models and would run code",
        ("bad/model.cmp", *ALLOW): "bad/metrics.json is not the record of a run: JSONDecodeError",
        ("a/model.cmp", "d/model.cmp", *ALLOW, "--agree", "images"): "--agree needs files of the same classes: "
        "a/model.cmp has 2 (blue, red), d/model.cmp 2 (cat, dog)",
        ("a/model.cmp", *ALLOW, "--agree", "none"): "none does not exist; allowed: image files and folders of them",
    }
    for arguments, message in cases.items():
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith(f"error: {message}")
        assert result.stderr.count("\n") == 1
