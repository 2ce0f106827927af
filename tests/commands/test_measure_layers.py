"""`compression sensitivity`: its output, its files, and its errors for a wrong command line."""

import json
import sys

import pytest
from runs import ROOT, WIDE
from typer.testing import CliRunner

from compression.cli import app
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.run.stages import sensitivity

GRID = [0.5, 0.9]
SETTINGS = (*WIDE, "training.epochs=1", "sensitivity.images=50", "sensitivity.sparsities=[0.5,0.9]", "name=mine")
ROWS = {
    "weights": {"features.0.weight": "864", "features.3.weight": "18,432", "classifier.weight": "640"},
    "channels": {"features.0": "32", "features.3": "64"},
}


def run(*arguments: str):
    return CliRunner().invoke(app, ["sensitivity", *arguments])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The output folder of the command, and its printed text."""
    outputs = tmp_path_factory.mktemp("outputs")
    result = run(*SETTINGS, f"output_dir={outputs}")
    assert result.exit_code == 0, result.output
    return outputs, result.stdout


@pytest.mark.parametrize("kind", ROWS)
def test_a_table_of_each_kind_is_printed_and_written(measured, kind):
    outputs, text = measured
    table = SensitivityTable.from_json(json.loads((outputs / "sensitivity-mine" / f"{kind}.json").read_text()))
    assert (table.kind, table.images) == (kind, 50)
    lines = [line.split() for line in text.splitlines()]
    assert ["layer,", kind, "size", "50", "%", "90", "%"] in lines
    for name, size in ROWS[kind].items():
        accuracies = [f"{100 * table.accuracy[name][sparsity]:.2f}" for sparsity in GRID]
        assert [name, size, *accuracies] in lines
    title = f"Accuracy in % with one layer pruned, on 50 held-out images; {100 * table.baseline:.2f} % dense"
    assert text.splitlines().count(title) == 2
    assert (outputs / "sensitivity-mine" / f"sensitivity_{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_the_last_line_names_the_folder_of_the_files(measured):
    outputs, text = measured
    assert text.splitlines()[-1] == f"in {outputs / 'sensitivity-mine'}: tables as json, pictures"


def test_a_second_call_reads_the_store(measured, monkeypatch):
    outputs, text = measured
    before = {path: path.stat().st_mtime_ns for path in (outputs / "store").glob("*/stage.json")}
    monkeypatch.setattr(sensitivity, "measure_sensitivity", None)
    result = run(*SETTINGS, f"output_dir={outputs}")
    assert (result.exit_code, result.stdout) == (0, text)
    assert {path: path.stat().st_mtime_ns for path in (outputs / "store").glob("*/stage.json")} == before
    assert len(before) == 3


def test_the_dense_model_does_not_depend_on_the_strategy(measured):
    outputs, _ = measured
    pruning = ("strategy=rigl", "sparsity=0.8", "strategy.schedule.steps=3")
    result = run(*SETTINGS, *pruning, f"output_dir={outputs}", "--kind", "weights")
    assert result.exit_code == 0, result.output
    assert "layer, weights" in result.stdout
    assert "layer, channels" not in result.stdout
    assert len(list((outputs / "store").glob("*/stage.json"))) == 3


WRONG = {
    "foo=1": "unknown key 'foo'; keys are data, model, ",
    "sensitivity.images=0": "sensitivity.images=0: must be an integer >= 1\n",
    "sensitivity.sparsities=[0.5,0.5]": "sensitivity.sparsities=[0.5, 0.5]: must be rising, one at least\n",
    "data.image_size=4": "data.image_size=4: allowed is an integer from 8 to 2048\n",
    "data.batch_size=1": "data.batch_size=1: allowed is ",
    "data.normalization=x": "data.normalization=x: allowed is ",
    "model=foo": "model=foo: must be one of custom, ",
    "nonsense": "cannot read 'nonsense': write key=value, e.g. sparsity=0.9\n",
    "model._target_=no_such_package.Net": "model no_such_package.Net: ",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_command_line_is_a_one_line_error(override, tmp_path):
    result = run(*WIDE, f"output_dir={tmp_path / 'outputs'}", override)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {WRONG[override]}")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.glob("outputs/store/*/stage.json"))


def test_an_unknown_kind():
    result = run("--kind", "bias")
    assert result.exit_code == 2
    assert "weights" in result.stderr


ODD = ("model=custom", "model._target_=odd_nets.LayerNormNet", "training.epochs=1", "threads=1", "sensitivity.images=9")


def test_channels_that_cannot_be_removed_are_an_error_before_training(tmp_path):
    result = run(*ODD, f"output_dir={tmp_path}", "--kind", "channels")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: channels of this model cannot be removed safely: norm is a LayerNorm")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_the_default_kinds_are_those_the_model_allows(tmp_path):
    result = run(*ODD, f"output_dir={tmp_path}", "name=mine")
    assert result.exit_code == 0, result.output
    assert "layer, weights" in result.stdout
    assert "layer, channels" not in result.stdout
    assert not (tmp_path / "sensitivity-mine" / "channels.json").exists()


def test_a_custom_model_is_imported_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "my_net.py").write_text((ROOT / "tests" / "support" / "tiny_net.py").read_text())
    monkeypatch.chdir(tmp_path)
    # As from the console script: `python -m` would add this folder itself.
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    own = ("model=custom", "model._target_=my_net.TinyNet", "training.epochs=1", "threads=1", "sensitivity.images=10")
    result = run(*own, "sensitivity.sparsities=[0.5]", "--kind", "weights", "name=mine")
    sys.modules.pop("my_net", None)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "outputs" / "sensitivity-mine" / "weights.json").exists()


EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
# A sparsity, parts of a strategy, and a student.
CONFLICTING = ("study_a_iterative_l1_90", "study_b", "study_c")


@pytest.mark.parametrize(
    "experiment", [pytest.param(name, marks=() if name in CONFLICTING else pytest.mark.slow) for name in EXPERIMENTS]
)
def test_the_dense_model_of_an_experiment(experiment, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "compression.commands.measure_layers.sensitivity_without_run", lambda config, **_: asked.append(config) or []
    )
    result = run(f"experiment={experiment}", "sparsity=0.3", f"data.root={tmp_path}", f"output_dir={tmp_path}")
    assert result.exit_code == 0, result.output
    [config] = asked
    assert (config.strategy.name, config.sparsity, config.target_sparsity) == ("none", None, 0)
    assert not config.strategy.prunes
    assert (config.distillation.teaches, config.distillation.student) == (False, {})
    assert config.training.epochs > 1


def test_the_dense_model_does_not_depend_on_distillation(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "compression.commands.measure_layers.sensitivity_without_run",
        lambda config, *, run_dir, **_: asked.append((config, run_dir)) or [],
    )
    for taught in ((), ("distillation=logit", "distillation.alpha=0.5"), ("distillation/student=vgg11",)):
        result = run(*taught, f"output_dir={tmp_path}")
        assert result.exit_code == 0, result.output
    assert asked[0] == asked[1] == asked[2]
