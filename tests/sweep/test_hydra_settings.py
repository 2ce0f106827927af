"""Hydra's own settings in a sweep: the search path that jobs inherit, and settings that are refused."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from runs import ROOT, TINY, train

from compression.config.compose import compose_job
from compression.core.errors import InputError
from compression.sweep.hydra_settings import hand_on_search_path, refuse_hydra_settings
from compression.sweep.jobs import FINISHED, read_state, read_sweep

MAIN = ("main", "file", str(ROOT / "conf"))


def master(*lines: str, sources=(MAIN,), config_name: str = "config"):
    keys = ("provider", "schema", "path")
    runtime = {"config_sources": [dict(zip(keys, source, strict=True)) for source in sources]}
    hydra = {"overrides": {"hydra": list(lines)}, "job": {"config_name": config_name}, "runtime": runtime}
    return OmegaConf.create({"hydra": hydra})


@pytest.fixture
def presets(tmp_path: Path) -> Path:
    """A user's folder with an experiment."""
    folder = tmp_path / "it's mine, all"
    (folder / "experiment").mkdir(parents=True)
    (folder / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nstrategy:\n  recovery:\n    min_updates: 7\n"
    )
    return folder


def test_a_job_searches_the_folders_of_the_command(presets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(presets.parent)
    sources = [
        ("hydra", "pkg", "hydra.conf"),
        MAIN,
        ("command-line", "file", presets.name),
        ("hydra.searchpath in command-line", "pkg", "compression"),
        ("schema", "structured", ""),
    ]
    [override] = hand_on_search_path(master("hydra.searchpath=[pkg://compression]", sources=sources))
    assert override.value() == [f"file://{presets}", "pkg://compression"]
    # A job's command has the same value in any working directory, and so has the second round.
    monkeypatch.chdir("/")
    again = OverridesParser.create().parse_override(override.input_line)
    assert again.value() == override.value()
    config, _ = compose_job([override.input_line, "experiment=mine"])
    assert config.strategy.recovery.min_updates == 7


def test_without_further_folders_no_override_is_added() -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.max_batch_size=4")
    assert hand_on_search_path(master(*launcher, "hydra.mode=MULTIRUN")) == []


@pytest.mark.parametrize("line", ["hydra.run.dir=x", "hydra.job.env_set.A=1", "hydra/job_logging=none", "~hydra.help"])
def test_settings_that_no_job_would_get_are_refused(line: str) -> None:
    with pytest.raises(InputError) as caught:
        hand_on_search_path(master("hydra/launcher=joblib", line))
    assert str(caught.value) == (
        f"{line}: no job would get it; allowed of Hydra's own settings: hydra/launcher, hydra.launcher, hydra.sweeper, "
        "hydra.mode, hydra.searchpath"
    )


def test_another_configuration_name_or_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--config-name=other: must be config in a sweep"):
        hand_on_search_path(master(config_name="other"))
    with pytest.raises(InputError, match=r"^--config-path: must be .*conf in a sweep; --config-dir adds another"):
        hand_on_search_path(master(sources=[("main", "file", str(tmp_path))]))


def test_keys_of_the_configuration_are_allowed() -> None:
    refuse_hydra_settings(["sparsity=0.5", "+model.hydra=1", "hydra.searchpath=[a]"], allowed=("hydra.searchpath",))


@pytest.mark.slow
def test_presets_in_a_further_folder_reach_the_jobs(presets: Path, tmp_path: Path) -> None:
    small = (*TINY, "training.epochs=1", "strategy=oneshot_l1", "runtime.engines=[onnxruntime]", "name=sweep")
    beside = ("--config-dir", str(presets), "experiment=mine")
    code, output = train("-m", *beside, *small, f"output_dir={tmp_path}", fork_jobs=True)
    assert code == 0, output
    [job] = read_sweep(tmp_path / "sweep").jobs
    assert read_state(tmp_path / "sweep" / job.name).status == FINISHED
