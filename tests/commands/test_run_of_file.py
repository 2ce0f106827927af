"""What the record beside a model file says of it, and a record that is wrong."""

import json

import pytest
from small_files import ALLOW, cells, metrics_of, run
from wrong_values import with_wrong_values

from compression.commands.compared_file import open_file
from compression.commands.run_of_file import OwnRun, read_own_run
from compression.core.errors import InputError


def test_the_imitation_of_integers_is_no_latency(compared):
    a = compared / "a" / "model.cmp"
    found = metrics_of(a) | {"quantization": {"method": "ptq"}}
    found["timing"]["latency"][0]["compressed"] = {"latency_ms": {"median": 0.01, "p10": 0.01, "p90": 0.01}}
    (a.parent / "metrics.json").write_text(json.dumps(found))
    rows = cells(run("compare", a, *ALLOW).stdout)
    assert (rows["latency in its own run"], rows["engine"]) == (["0.50 ms"], ["openvino"])
    assert open_file(a, allow=["colour_net"], max_bytes=None).run.gain == pytest.approx(-1.5)


@pytest.mark.parametrize(("side", "key"), [("dense", "safetensors"), ("compressed", "artifact")])
def test_whatever_is_wrong_in_the_record_of_a_run_is_one_line(compared, side, key):
    a = compared / "a" / "model.cmp"
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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda metrics: metrics.pop("timing"), "KeyError: 'timing'"),
        (lambda metrics: metrics["run"].pop("model"), "KeyError: 'model'"),
        (lambda metrics: metrics["dense"].update(accuracy="x"), "ValueError: 'x' is not a number from 0 to 1"),
        (lambda metrics: metrics["run"].update(model=5), "ValueError: model 5 and model_settings "),
    ],
)
def test_a_damaged_record_beside_a_file_is_named(own_run, change, reason):
    metrics = json.loads((own_run / "metrics.json").read_text())
    change(metrics)
    (own_run / "metrics.json").write_text(json.dumps(metrics))
    result = run("compare", own_run / "dense.safetensors")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {own_run}/metrics.json is not the record of a run: {reason}")
    assert result.stderr.count("\n") == 1
