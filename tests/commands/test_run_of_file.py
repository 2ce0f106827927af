"""Results from the record beside a model file, and errors for damaged records."""

import json

import pytest
from small_files import ALLOW, cells, metrics_of, run
from wrong_values import with_wrong_values

from compression.commands.compared_file import open_file
from compression.commands.run_of_file import OwnRun, read_own_run
from compression.core.errors import InputError


def test_latency_of_imitated_integers_is_ignored(compared):
    a = compared / "a" / "model.cmp"
    found = metrics_of(a) | {"quantization": {"method": "ptq"}}
    found["timing"]["latency"][0]["compressed"] = {"latency_ms": {"median": 0.01, "p10": 0.01, "p90": 0.01}}
    (a.parent / "metrics.json").write_text(json.dumps(found))
    rows = cells(run("compare", a, *ALLOW).stdout)
    assert (rows["latency in its own run"], rows["engine"]) == (["0.50 ms"], ["openvino"])
    assert open_file(a, allow=["colour_net"], max_bytes=None).run.gain == pytest.approx(-1.5)


@pytest.mark.parametrize(("side", "key"), [("dense", "safetensors"), ("compressed", "artifact")])
def test_any_damage_to_a_record_is_a_one_line_error(compared, side, key):
    a = compared / "a" / "model.cmp"
    path, metrics = a.parent / "metrics.json", metrics_of(a)
    path.write_text(json.dumps(metrics))
    num_bytes = metrics[side]["bytes"][key]
    whole = read_own_run(a.parent, side=side, key=key, num_bytes=num_bytes)
    assert isinstance(whole, OwnRun)
    messages = []
    for _, changed in with_wrong_values(metrics):
        path.write_text(json.dumps(changed))
        try:
            read_own_run(a.parent, side=side, key=key, num_bytes=num_bytes)
        except InputError as error:
            messages.append(str(error))
    # Fields that are not read may have any value.
    assert len(messages) > 100
    assert all(message.startswith(f"{path} is not the record of a run: ") for message in messages)
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda metrics: metrics.pop("timing"), "KeyError: 'timing'"),
        (lambda metrics: metrics["run"].pop("model"), "KeyError: 'model'"),
        (lambda metrics: metrics["dense"].update(accuracy="x"), "ValueError: 'x' is not a number from 0 to 1"),
        (lambda metrics: metrics["run"].update(model=5), "ValueError: model 5 and model_settings "),
    ],
)
def test_the_error_names_the_damaged_record(own_run, change, reason):
    metrics = json.loads((own_run / "metrics.json").read_text())
    change(metrics)
    (own_run / "metrics.json").write_text(json.dumps(metrics))
    result = run("compare", own_run / "dense.safetensors")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {own_run}/metrics.json is not the record of a run: {reason}")
    assert result.stderr.count("\n") == 1
