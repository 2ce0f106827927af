"""One training in two processes on the CPU, started by the command line."""

import json
import os
import re
import signal
from pathlib import Path

import psutil
import pytest
import torch
from runs import ROOT, TINY, run_here, start_train, train
from safetensors.torch import load_file

from compression.config.sweep_environment import JOINED
from compression.run.ranks import is_helper, local_rank
from compression.run.training.ddp import ddp_settings, helpers_join

TWO = (*TINY, "trainer.accelerator=cpu", "strategy=iterative_l1", "sparsity=0.7", "strategy.schedule.steps=2")


def stage(outputs: Path, kind: str) -> Path:
    [found] = outputs.glob(f"store/{kind}-*/stage.json")
    return found.parent


def results(outputs: Path, kind: str) -> dict:
    return json.loads((stage(outputs, kind) / "stage.json").read_text())["results"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folder of the same run in two processes and in one, and the output of the two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "seen").mkdir()
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    code, output = train(
        *TWO,
        "strategy.criterion._target_=witness.Witness",
        "trainer.devices=2",
        "until=prune",
        "name=run",
        f"output_dir={folder / 'two'}",
        env={"WITNESS": str(folder / "seen"), "PYTHONPATH": path},
    )
    assert code == 0, output
    run_here(*TWO, "until=prune", run_dir=folder / "one" / "run", output_dir=folder / "one")
    return folder, output


@pytest.mark.slow
def test_two_processes_train_like_one(both) -> None:
    folder, _ = both
    for kind in ("dense", "prune"):
        two, one = results(folder / "two", kind), results(folder / "one", kind)
        # The numbers of updates and of images per update are the same.
        assert [row["update"] for row in two["history"]] == [row["update"] for row in one["history"]]
        assert abs(two["val_accuracy"] - one["val_accuracy"]) < 0.15
        losses = [row["train/loss"] for row in two["history"]]
        assert losses == pytest.approx([row["train/loss"] for row in one["history"]], rel=0.1)
    assert results(folder / "two", "prune")["sparsity"] == pytest.approx(0.7, abs=0.01)


@pytest.mark.slow
def test_both_processes_prune_the_same_weights(both) -> None:
    seen = {path.name: path.read_text().splitlines() for path in (both[0] / "seen").iterdir()}
    # The checks before training score the weights as well, so the helper has more lines.
    assert seen["1"][-len(seen["0"]) :] == seen["0"]
    assert len(seen["0"]) == 2
    prune = stage(both[0] / "two", "prune")
    weights, masks = load_file(prune / "model.safetensors"), load_file(prune / "masks.safetensors")
    assert all((weights[name][~mask] == 0).all() for name, mask in masks.items())


@pytest.mark.slow
def test_only_one_process_prints_writes_and_publishes(both) -> None:
    folder, output = both
    assert len(re.findall(r"dense  epoch \d/3 ", output)) == 3
    assert output.count("dense  done in") == 1
    assert "found finished" not in output
    assert not list((folder / "two" / "run").glob("train_ddp*"))
    assert not list((folder / "two" / "store").glob("*.partial"))
    assert len(list((folder / "two" / "run" / "tensorboard" / "dense").glob("events*"))) == 1


@pytest.mark.slow
def test_devices_are_in_the_stage_key_only_if_there_are_several(both) -> None:
    for outputs, devices in (("two", 2), ("one", None)):
        record = json.loads((stage(both[0] / outputs, "dense") / "stage.json").read_text())
        assert record["key"]["inputs"]["arithmetic"].get("devices") == devices


@pytest.mark.slow
def test_helpers_of_a_killed_run_exit_and_the_run_resumes(tmp_path: Path) -> None:
    command = (*TWO, "training.epochs=40", "trainer.devices=2", "until=dense", f"output_dir={tmp_path}")
    process = start_train(*command)
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 3/40" in line:
            break
    helpers = [child for child in psutil.Process(process.pid).children() if "train.py" in " ".join(child.cmdline())]
    assert len(helpers) == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(helpers, timeout=20)
    assert not alive
    code, output = train(*command)
    assert code == 0, output
    assert "epoch 2/40" not in output
    assert "epoch 40/40" in output
    assert [row["epoch"] for row in results(tmp_path, "dense")["history"]] == list(range(1, 41))


def test_the_environment_of_helpers_is_restored_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = dict(os.environ)

    def fail() -> None:
        with helpers_join(tmp_path, threads=1):
            os.environ["LOCAL_RANK"] = "0"
            assert os.environ[JOINED] == str(tmp_path)
            assert (os.environ["OMP_NUM_THREADS"], local_rank(), is_helper()) == ("1", 0, False)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert dict(os.environ) == before


def test_processes_look_for_idle_layers_only_where_there_are_some() -> None:
    for has_idle in (False, True):
        strategy = ddp_settings(torch.device("cpu"), 2, has_idle=has_idle)["strategy"]
        assert strategy._ddp_kwargs["find_unused_parameters"] is has_idle
