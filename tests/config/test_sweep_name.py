import pytest
from omegaconf import OmegaConf

from compression.config.run_name import run_name
from compression.config.sweep_environment import SWEEP_FILE
from compression.config.sweep_name import sweep_dir, sweep_job

JOBS = '{"jobs": [{"name": "s50-1a2b3c"}, {"name": "s70-4d5e6f"}]}'


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    (tmp_path / "sweep.json").write_text(JOBS)
    monkeypatch.setenv(SWEEP_FILE, str(tmp_path / "sweep.json"))
    return tmp_path


def test_a_job_has_the_folder_that_the_sweep_recorded(compose_config, sweep):
    config = compose_config("name=mine", "hydra.job.num=1")
    assert (config.hydra.sweep.dir, config.hydra.sweep.subdir) == (str(sweep), "s70-4d5e6f")
    assert run_name(_root_=config) == "mine"


def test_outside_a_sweep_the_folder_has_a_default_name(monkeypatch):
    monkeypatch.delenv(SWEEP_FILE, raising=False)
    config = OmegaConf.create({"output_dir": "results", "hydra": {"job": {"num": 1}}})
    assert (sweep_dir(_root_=config), sweep_job(_root_=config)) == ("results/sweep", "job")


@pytest.mark.usefixtures("sweep")
def test_a_command_before_its_jobs_has_a_default_folder():
    """Hydra has not numbered the jobs yet."""
    assert sweep_job(_root_=OmegaConf.create({"output_dir": "results"})) == "job"
