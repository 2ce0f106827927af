"""Commands that add a job to a sweep's folder, compared word by word."""

import inspect
import json
import shlex

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from runs import ROOT, compose_config
from sweep_folders import KIB

from compression import cli
from compression.sweep.job_grid import list_jobs, parse_grid
from compression.sweep.report.held_command import TRIALS
from compression.sweep.report.limits import Limits
from compression.sweep.report.recommendation import recommend


def test_commands_are_quoted_and_compose(folder, metrics):
    common = ["data=digits", "bits=6", "quantization.layer_bits=[first:8]"]
    folder.plan["command"] = ["train.py", "-m", *common, "sparsity=0.5,0.9"]
    for sparsity, kib in ((0.5, 400), (0.9, 100)):
        made = metrics(num_bytes=kib * KIB, val=1 - sparsity / 10)
        folder.add(f"s{sparsity}", {"sparsity": sparsity}, metrics=made, overrides=[*common, f"sparsity={sparsity}"])
    [job] = jobs_of(recommend(folder.path, Limits(max_bytes=200 * KIB)).next_run.command)
    config = compose_config(*job)
    assert (config.sparsity, config.weight_bits, config.name) == (0.7, 6, "sweep")


def jobs_of(command):
    """Return the overrides of each job that Hydra derives from a proposed command."""
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", "train.py")
    compose_config()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        words = [word for word in arguments if word != "-m"]
        found = load_master(words)
    return [[one.input_line for one in job] for job in list_jobs(parse_grid(found))]


def load_master(words):
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration("config", list(words), run_mode=RunMode.MULTIRUN, from_shell=True)


def sweep_of(folder, metrics, command, *, lines=(), seeds=(42,)):
    """Fill a sweep by hand: an untried sparsity between 0.7 and 0.9 promises the most."""
    folder.plan["command"] = ["train.py", *command]
    for sparsity, drop, kib in ((0.5, 0.2, 400), (0.7, 0.8, 300), (0.9, 4.0, 100)):
        for bits in (6, 8):
            for seed in seeds:
                axes = {"sparsity": sparsity, "weight_bits": bits} | ({"seed": seed} if len(seeds) > 1 else {})
                made = metrics(val=0.98 - drop / 100, dense_val=0.98, num_bytes=kib * KIB * bits // 8, seed=seed)
                own = [*lines, *(f"{key}={value}" for key, value in axes.items())]
                folder.add(f"s{100 * sparsity:g}_w{bits}_{seed}", axes, metrics=made, overrides=own)


def test_the_next_command_holds_the_sweeps_axes_at_one_point(folder, metrics):
    """Keys of a single call are dropped; keys that say how jobs run stay."""
    command = ["-m", "sparsity=0.5,0.7,0.9", "model=vgg11", "weight_bits=6,8", "overwrite=true", "baselines=true"]
    sweep_of(folder, metrics, [*command, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], lines=["model=vgg11"])
    found = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert found == (
        "python train.py -m sparsity=0.77 model=vgg11 weight_bits=6 hydra/launcher=joblib "
        "hydra.launcher.n_jobs=2 name=sweep"
    )


def test_a_presets_axes_are_held_on_the_command_line(folder, metrics):
    lines = ["+sweep=grid", "activation_bits=8"]
    sweep_of(folder, metrics, ["+sweep=grid", "activation_bits=8"], lines=lines)
    found = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert found == "python train.py +sweep=grid activation_bits=8 sparsity=0.77 weight_bits=6 name=sweep"
    [job] = jobs_of(found)
    config = compose_config(*job)
    assert (config.sparsity, config.weight_bits, config.activation_bits) == (0.77, 6, 8)


def test_the_name_of_the_command_stays(folder, metrics):
    sweep_of(folder, metrics, ["--multirun", "name=a/b", "sparsity=0.5,0.7,0.9", "weight_bits=6,8", "+model.x=1"])
    command = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert command == "python train.py --multirun name=a/b sparsity=0.77 weight_bits=6 +model.x=1"


def test_a_key_with_a_plus_keeps_it(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "+model.width_mult=0.5,1.0"]
    for width, drop in ((0.5, 3.0), (1.0, 1.0)):
        made = metrics(val=0.98 - drop / 100, dense_val=0.98, num_bytes=int(400 * KIB * width))
        axes = {"model.width_mult": width}
        folder.add(f"w{width}", axes, metrics=made, overrides=[f"+model.width_mult={width}"])
    command = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert command == "python train.py -m +model.width_mult=0.75 name=sweep"


def test_an_added_job_lies_on_the_axes_and_is_not_proposed_again(folder, metrics):
    """The added command has no axes, so its job lies on the axes of the folder."""
    sweep_of(folder, metrics, ["-m", "sparsity=0.5,0.7,0.9", "weight_bits=6,8"])
    limits = Limits(max_drop=2.0)
    first = recommend(folder.path, limits).next_run.command
    made = metrics(val=0.965, dense_val=0.98, num_bytes=200 * KIB)
    folder.add(
        "1a2b3c", {"sparsity": 0.77, "weight_bits": 6}, metrics=made, overrides=["sparsity=0.77", "weight_bits=6"]
    )
    found = recommend(folder.path, limits)
    assert "s77 w6" in [one.label for one in found.ranking.configurations]
    assert found.next_run.command != first
    # A job with another seed belongs to the same configuration.
    made = metrics(val=0.963, dense_val=0.98, num_bytes=200 * KIB, seed=43)
    folder.add(
        "4d5e6f",
        {"sparsity": 0.77, "weight_bits": 6},
        metrics=made,
        overrides=["sparsity=0.77", "weight_bits=6", "seed=43"],
    )
    [one] = [one for one in recommend(folder.path, limits).ranking.configurations if one.label == "s77 w6"]
    assert one.num_jobs == 2


def test_seeds_are_held_too(folder, metrics):
    sweep_of(folder, metrics, ["-m", "sparsity=0.5,0.7,0.9", "weight_bits=6,8", "seed=1,2"], seeds=(1, 2))
    command = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert command == "python train.py -m sparsity=0.77 weight_bits=6 seed=1 name=sweep"


def test_a_killed_job_is_run_by_the_sweeps_command(folder, metrics):
    folder.plan["command"] = ["/here/train.py", "-m", "sparsity=0.5, 0.9", "plan=true"]
    folder.add("a", {"sparsity": 0.5}, metrics=metrics())
    folder.add("b", {"sparsity": 0.9}, status="killed", reason="killed by SIGKILL")
    command = recommend(folder.path, Limits(max_drop=5)).next_run.command
    assert command == "python /here/train.py -m 'sparsity=0.5, 0.9'"
    # The job may come from an earlier command than the folder's last one.
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.7", "name=sweep"]
    folder.plan["jobs"][1]["kept"] = True
    folder.add("c", {"sparsity": 0.7}, metrics=metrics())
    command = recommend(folder.path, Limits(max_drop=5)).next_run.command
    assert command == "python train.py -m sparsity=0.9 name=sweep"


def test_a_baseline_without_numbers_adds_the_key_baselines(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.5"]
    folder.add("a", {}, metrics=metrics())
    folder.add("r", {}, kind="random", status="killed", overrides=["sparsity=0.5", "strategy.name=x"])
    command = recommend(folder.path, Limits(max_drop=5)).next_run.command
    assert command == "python train.py -m sparsity=0.5 baselines=true"


def test_a_kept_baseline_is_run_with_the_job_it_matches(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.7", "seed=3", "name=sweep"]
    folder.add("a", {"sparsity": 0.5, "seed": 1}, metrics=metrics(seed=1))
    axes = {"seed": 2, "width_mult": 0.5, "matches": "a"}
    lines = ["sparsity=null", "seed=2", "++model.width_mult=0.5"]
    folder.plan["jobs"][0]["kept"] = True
    folder.add("s", axes, kind="small_dense", status="killed", overrides=lines)
    folder.plan["jobs"][1]["kept"] = True
    folder.add("c", {"sparsity": 0.7, "seed": 3}, metrics=metrics(seed=3))
    command = recommend(folder.path, Limits(max_drop=5)).next_run.command
    assert command == "python train.py -m sparsity=0.5 seed=2 name=sweep baselines=true"


def test_single_runs_are_followed_by_single_runs(tmp_path, metrics):
    for sparsity, kib in ((0.5, 400), (0.9, 100)):
        (tmp_path / f"r{sparsity}").mkdir()
        command = ["train.py", f"sparsity={sparsity}", "name=mine", "bits=6"]
        made = metrics(num_bytes=kib * KIB, val=1 - sparsity / 10, command=command)
        (tmp_path / f"r{sparsity}" / "metrics.json").write_text(json.dumps(made))
    found = recommend(tmp_path, Limits(max_bytes=200 * KIB))
    assert found.next_run.command == "python train.py bits=6 sparsity=0.7"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["--space", "space.yaml"], "--space space.yaml --trials 50"),
        (["--trials", "20", "--space", "my space.yaml"], "--space 'my space.yaml' --trials 30"),
        (["--trials=7", "--space", "s.yaml", "name=x"], "--space s.yaml name=x --trials 17"),
    ],
)
def test_a_search_is_continued(folder, metrics, command, expected):
    folder.plan["command"] = ["/lib/compression/__main__.py", "search", *command]
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(num_bytes=400 * KIB))
    folder.add("b", {"sparsity": 0.9}, metrics=metrics(num_bytes=100 * KIB, val=0.9))
    folder.add("c", {"sparsity": 0.8}, status="failed", reason="boom")
    folder.write(".", "search.json", "{}")
    found = recommend(folder.path, Limits(max_bytes=200 * KIB))
    assert found.next_run.command == f"python -m compression search {expected}"
    folder.add("d", {"sparsity": 0.7}, status="interrupted")
    found = recommend(folder.path, Limits(max_bytes=200 * KIB))
    assert shlex.split(found.next_run.command) == ["python", "-m", "compression", "search", *command]


def test_the_default_number_of_trials_is_that_of_the_command_line():
    assert inspect.signature(cli.search).parameters["trials"].default == TRIALS
