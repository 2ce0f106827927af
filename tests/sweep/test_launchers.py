"""Sweeps under other launchers than Hydra's default: submitit on this machine, and the requests to Slurm."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import MissingConfigException
from omegaconf import OmegaConf
from runs import ROOT, TINY, lasting, run_here, train

from compression.config import run_name, schema, sweep_name
from compression.config.explain import explain
from compression.config.schema import TrainerConfig
from compression.core.errors import InputError
from compression.sweep.jobs import FINISHED, read_state, read_sweep
from compression.sweep.launchers import check_gpus, check_launcher, count_workers

SHORT = (*TINY, "training.epochs=1", "strategy=oneshot_l1", "runtime.engines=[onnxruntime]", "runtime.batch_sizes=[1]")


def launcher(*overrides: str):
    schema.register(), run_name.register(), sweep_name.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("config", list(overrides), return_hydra_config=True)
    OmegaConf.set_readonly(composed, None)
    composed.hydra.job.num = 0
    return OmegaConf.to_container(composed.hydra.launcher, resolve=False)


@pytest.mark.slow
def test_jobs_under_submitit_have_the_results_of_single_runs(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    grid = ("sparsity=0.5,0.7", "name=sweep", f"output_dir={outputs}")
    code, output = train("-m", *SHORT, *grid, "hydra/launcher=submitit_local", fresh=True)
    assert code == 0, output
    sweep = read_sweep(outputs / "sweep")
    assert [read_state(sweep.folder / job.name).status for job in sweep.jobs] == [FINISHED, FINISHED]
    assert list((sweep.folder / ".submitit").glob("*/*_log.out"))
    # No other folder of the sweep looks like a job.
    jobs = {path.parent.name for path in sweep.folder.glob("*/metrics.json")}
    assert jobs == {job.name for job in sweep.jobs}
    for job in sweep.jobs:
        run_here(*SHORT, *_swept(job), run_dir=tmp_path / job.name, output_dir=tmp_path / "other")
        assert lasting(tmp_path / job.name / "metrics.json") == lasting(sweep.folder / job.name / "metrics.json")


def _swept(job) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in job.axes.items()]


def test_slurm_jobs_request_one_gpu_per_task() -> None:
    asked = launcher("hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra.launcher.array_parallelism=4")
    assert asked["_target_"].endswith(".SlurmLauncher")
    assert (asked["gpus_per_task"], asked["tasks_per_node"], asked["nodes"]) == (1, 1, 1)
    assert (asked["partition"], asked["array_parallelism"]) == ("gpu", 4)
    assert asked["submitit_folder"] == "${hydra.sweep.dir}/.submitit/%j"
    assert launcher("hydra/launcher=submitit_slurm")["submitit_folder"] == asked["submitit_folder"]


def test_the_number_of_simultaneous_jobs() -> None:
    assert count_workers(launcher(), num_jobs=12) == 1
    assert count_workers(launcher("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), num_jobs=12) == 2
    assert count_workers(launcher("hydra/launcher=submitit_local"), num_jobs=12) == 12
    assert count_workers(launcher("hydra/launcher=slurm"), num_jobs=12) == 1


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that seems to have Slurm."""
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("choice", ["basic", "joblib", "submitit_local"])
def test_several_devices_are_refused_without_slurm(choice: str) -> None:
    with pytest.raises(InputError, match=r"^trainer.devices=2: jobs of a sweep train on one device each"):
        check_launcher(launcher(f"hydra/launcher={choice}"), 2)
    check_launcher(launcher(f"hydra/launcher={choice}"), 1)


@pytest.mark.usefixtures("slurm")
def test_a_slurm_job_may_use_all_devices_of_its_task() -> None:
    check_launcher(launcher("hydra/launcher=slurm"), 1)
    check_launcher(launcher("hydra/launcher=slurm"), 2)
    with pytest.raises(InputError, match=r"hydra.launcher.tasks_per_node=2: a job is one task"):
        check_launcher(launcher("hydra/launcher=slurm", "hydra.launcher.tasks_per_node=2"), 1)


SLURM = "hydra/launcher=submitit_slurm"


@pytest.mark.parametrize(
    ("given", "trainer"),
    [
        (["hydra/launcher=slurm"], TrainerConfig()),
        (["hydra/launcher=slurm", "hydra.launcher.gpus_per_task=2"], TrainerConfig(devices=2)),
        ([SLURM, "hydra.launcher.gpus_per_node=2"], TrainerConfig(devices=2)),
        ([SLURM, "hydra.launcher.gres='gpu:2'"], TrainerConfig(devices=2)),
        ([SLURM, "+hydra.launcher.additional_parameters.gpus=1"], TrainerConfig()),
        ([SLURM], TrainerConfig(accelerator="cpu", devices=2)),
        (["hydra/launcher=slurm"], TrainerConfig(accelerator="cpu", devices=2)),
        (["hydra/launcher=submitit_local"], TrainerConfig()),
        ([], TrainerConfig()),
    ],
)
def test_enough_gpus_cause_no_warning(given, trainer, capsys) -> None:
    check_gpus(launcher(*given), [trainer])
    assert capsys.readouterr().err == ""


def test_fewer_gpus_than_a_job_needs_are_refused() -> None:
    two = [TrainerConfig(), TrainerConfig(devices=2)]
    with pytest.raises(InputError, match=r"^trainer.devices=2 contradicts hydra.launcher.gpus_per_task=1"):
        check_gpus(launcher("hydra/launcher=slurm"), two)
    with pytest.raises(InputError, match=r"^trainer.devices=2 contradicts hydra.launcher.gpus_per_node=1"):
        check_gpus(launcher(SLURM, "hydra.launcher.gpus_per_node=1"), two)
    with pytest.raises(InputError, match=r"^trainer.devices=2: .* must be 1, or give hydra.launcher.gpus_per_task=2$"):
        check_gpus(launcher(SLURM), two)


def test_tasks_without_a_gpu_cause_a_warning(capsys) -> None:
    check_gpus(launcher(SLURM), [TrainerConfig(accelerator="cpu"), TrainerConfig()])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: Slurm tasks are requested without a GPU")
    assert "hydra/launcher=slurm or hydra.launcher.gpus_per_task=1" in line


def test_a_machine_without_slurm_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no Slurm here"):
        check_launcher(launcher("hydra/launcher=slurm"), 1)


def test_the_command_line_refuses_several_devices(tmp_path: Path) -> None:
    code, output = train("-m", *TINY, "sparsity=0.5,0.7", "trainer.devices=2", f"output_dir={tmp_path}")
    assert code == 1
    assert "error: trainer.devices=2: jobs of a sweep train on one device each, except under Slurm" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("choice", "package", "extra"),
    [
        ("joblib", "hydra_joblib_launcher", "joblib"),
        ("submitit_local", "hydra_submitit_launcher", "slurm"),
        ("submitit_slurm", "hydra_submitit_launcher", "slurm"),
    ],
)
def test_a_launcher_without_its_package_names_the_extra(choice: str, package: str, extra: str) -> None:
    error = MissingConfigException("", f"hydra/launcher/{choice}", ["basic"])
    assert explain(error) == f'{package} is not installed: pip install "compression[{extra}]"'
