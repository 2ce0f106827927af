from runs import train

from compression.config.sweep_environment import SWEEP_FILE
from compression.sweep.callback import SweepCallback


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
