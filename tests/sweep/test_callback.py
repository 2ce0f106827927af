import pytest
from runs import TINY, train

from compression.config.sweep_environment import SWEEP_FILE
from compression.sweep.callback import SweepCallback

MISSPELLED = "compression.pruning.criteria.magnitude.Magnitud"


def test_baselines_without_a_sweep_are_refused(tmp_path):
    code, output = train("baselines=true", f"output_dir={tmp_path}")
    assert code == 1
    assert output == (
        "error: baselines=true: they run beside the jobs of a sweep; give -m as well, or leave it false\n"
    )
    assert not list(tmp_path.iterdir())


def test_jobs_are_not_checked_again_when_a_pool_restarts(monkeypatch):
    monkeypatch.setenv(SWEEP_FILE, "/somewhere/sweep.json")
    # The callback does not look at the configuration.
    SweepCallback().on_multirun_start(None)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            f"strategy.criterion._target_={MISSPELLED}",
            f"_target_={MISSPELLED}: 'Magnitud' is not importable from module '{MISSPELLED.rpartition('.')[0]}'",
        ),
        ("model._target_=no_net.Net", "model no_net.Net: no module named 'no_net'"),
    ],
)
def test_a_refused_run_leaves_no_folder(tmp_path, command, line):
    code, output = train(*TINY, command, f"output_dir={tmp_path / 'outputs'}")
    assert (code, output) == (1, f"error: {line}\n")
    assert not list(tmp_path.iterdir())


def test_a_plan_leaves_no_folder(tmp_path):
    code, output = train(*TINY, "plan=true", "until=dense", f"output_dir={tmp_path / 'outputs'}")
    assert code == 0
    assert output.splitlines()[0] == "1 job"
    assert not list(tmp_path.iterdir())


def test_a_used_name_is_refused_before_its_folder_is_touched(tmp_path):
    config = tmp_path / "mine" / "config" / "config.yaml"
    code, output = train(*TINY, "name=mine", "until=dense", "seed=1", f"output_dir={tmp_path}")
    assert code == 0, output
    before = config.read_bytes()
    code, output = train("seed=2", *TINY, "-m", "name=mine", "until=evaluate", f"output_dir={tmp_path}")
    line = f"error: name=mine: {tmp_path}/mine is the folder of a single run; give another name, or overwrite=true\n"
    assert (code, output) == (1, line)
    code, output = train(*TINY, "name=mine", "until=dense", "seed=2", f"output_dir={tmp_path}")
    change = "(seed was 1, now 2); give another name, or overwrite=true"
    assert (code, output) == (1, f"error: name=mine: {tmp_path}/mine holds a run with other settings {change}\n")
    assert config.read_bytes() == before
