import inspect
import io
import json
import math
import shlex

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from rich.console import Console
from runs import ROOT, compose_config
from typer.testing import CliRunner

from compression import cli
from compression.cli import app
from compression.core.errors import InputError
from compression.sweep.answer.limits import Limits, check_drop, parse_milliseconds
from compression.sweep.answer.next_command import TRIALS
from compression.sweep.answer.recommend import recommend
from compression.sweep.grid import list_jobs, parse_grid

KIB = 2**10


@pytest.mark.parametrize(("text", "count"), [("0.5ms", 0.5), ("2s", 2000), ("250 us", 0.25), ("250µs", 0.25)])
def test_times(text, count):
    assert parse_milliseconds(text, key="--max-latency") == pytest.approx(count)


@pytest.mark.parametrize("text", ["0.5", "3 KiB", "5 min", "0ms", f"{'9' * 500}ms", f"0.{'0' * 300}1s"])
def test_what_is_not_a_time(text):
    with pytest.raises(
        InputError, match=r"^--max-latency=.{3,40}: must be a time above 0 such as 0.5ms, 800us or 0.1s"
    ):
        parse_milliseconds(text, key="--max-latency")


@pytest.mark.parametrize("points", [math.nan, math.inf, -math.inf, 100.5, 1e308])
def test_a_drop_that_no_accuracy_has(points):
    with pytest.raises(InputError, match=r"^--max-drop .* is not a number of points; allowed: -100 to 100"):
        check_drop(points)
    assert check_drop(-0.5) == -0.5


def add(folder, metrics, sparsity, bits, *, drop, kib, milliseconds=0.5, **more):
    name = f"s{100 * sparsity:g}_w{bits}" + str(more.get("kind", ""))
    made = metrics(
        val=0.98 - drop / 100, dense_val=0.98, num_bytes=kib * KIB, milliseconds=milliseconds, sparsity=sparsity
    )
    folder.add(name, {"sparsity": sparsity, "weight_bits": bits}, metrics=made, **more)


def words(recommendation):
    stream = io.StringIO()
    Console(file=stream, width=160).print(recommendation.to_rich())
    return stream.getvalue()


def test_the_best_within_and_the_misses(folder, metrics):
    add(folder, metrics, 0.5, 8, drop=0.2, kib=400)
    add(folder, metrics, 0.7, 8, drop=0.8, kib=300)
    add(folder, metrics, 0.9, 8, drop=4.0, kib=200)
    found = recommend(folder.path, Limits(max_drop=1.0, max_bytes=320 * KIB))
    assert found.best.job.name == "s70_w8"
    # A quarter over 320 KiB; three points over 1 count 0.3.
    assert [one.job.name for one in found.others] == ["s50_w8", "s90_w8"]
    text = words(found)
    assert "400.0 KiB (1.25x)" in text
    assert "4.00 (+3.00)" in text


def test_at_the_limit_is_within_it(folder, metrics):
    add(folder, metrics, 0.5, 8, drop=1.0, kib=300, milliseconds=0.5)
    assert recommend(folder.path, Limits(1.0, 300 * KIB, 0.5)).best is not None
    assert recommend(folder.path, Limits(0.99, 300 * KIB, 0.5)).best is None
    assert recommend(folder.path, Limits(1.0, 300 * KIB - 1, 0.5)).best is None
    assert recommend(folder.path, Limits(1.0, 300 * KIB, 0.49)).best is None


def test_a_drop_alone_asks_for_the_smallest_file(folder, metrics):
    add(folder, metrics, 0.5, 8, drop=0.1, kib=400)
    add(folder, metrics, 0.7, 8, drop=0.9, kib=300)
    assert recommend(folder.path, Limits(max_drop=1.0)).best.job.name == "s70_w8"
    assert recommend(folder.path, Limits(max_drop=1.0, max_bytes=1e9)).best.job.name == "s50_w8"


def test_what_was_not_timed_is_not_within_a_latency(folder, metrics):
    document = metrics()
    document["timing"]["latency"] = []
    folder.add("a", {"sparsity": 0.5}, metrics=document)
    found = recommend(folder.path, Limits(max_latency=1e6))
    assert found.best is None
    assert "not measured" in words(found)


def test_next_is_where_the_limit_is_met_between_two_runs(folder, metrics):
    """100 points to 0.9 of sparsity are 4 points of loss over 1: a limit of 2 lies at 0.5 + 0.4 / 4 = 0.6."""
    add(folder, metrics, 0.5, 8, drop=1.0, kib=400)
    add(folder, metrics, 0.9, 8, drop=5.0, kib=100)
    found = recommend(folder.path, Limits(max_drop=2.0))
    assert found.best.job.name == "s50_w8"
    assert found.next_run.command == "python train.py -m sparsity=0.6 weight_bits=8 name=sweep"
    assert "2.00 points lost" in found.next_run.rule
    assert "s50 w8 and s90 w8" in found.next_run.rule


def test_bytes_are_met_by_ratio(folder, metrics):
    """From 400 to 100 KiB over 0.4 of sparsity, 200 KiB are half way; rounded towards what is within."""
    add(folder, metrics, 0.5, 8, drop=1.0, kib=400)
    add(folder, metrics, 0.9, 8, drop=5.0, kib=100)
    found = recommend(folder.path, Limits(max_bytes=200 * KIB))
    assert found.best.job.name == "s90_w8"
    assert found.next_run.command == "python train.py -m sparsity=0.7 weight_bits=8 name=sweep"


def test_whole_numbers_stay_whole(folder, metrics):
    add(folder, metrics, 0.5, 4, drop=5.0, kib=200)
    add(folder, metrics, 0.5, 8, drop=0.5, kib=400)
    found = recommend(folder.path, Limits(max_bytes=300 * KIB))
    assert found.next_run.command == "python train.py -m sparsity=0.5 weight_bits=6 name=sweep"


def test_what_is_in_the_plan_already_is_not_proposed(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.5", "weight_bits=4,5,6", "overwrite=true", "plan=false"]
    add(folder, metrics, 0.5, 4, drop=5.0, kib=200)
    add(folder, metrics, 0.5, 5, drop=4.0, kib=400)
    add(folder, metrics, 0.5, 6, drop=0.0, kib=300, status="failed", reason="boom")
    found = recommend(folder.path, Limits(max_bytes=100 * KIB))
    # Two bits are not below the least.
    assert found.best is None
    assert found.next_run.command == "python train.py -m sparsity=0.5 weight_bits=3 name=sweep"
    found = recommend(folder.path, Limits(max_bytes=500 * KIB))
    assert found.next_run.command == "python train.py -m sparsity=0.5 weight_bits=4,5,6"
    assert "failed (boom)" in found.next_run.rule


def test_bits_that_there_are_not_are_not_proposed(folder, metrics):
    """Not 20 between 8 and 32, nor 10 beyond 8."""
    for bits, drop, kib in ((6, 3.0, 200), (8, 2.0, 300), (32, 1.0, 900)):
        add(folder, metrics, 0.5, bits, drop=drop, kib=kib)
    for limit in (250, 600, 2000):
        command = recommend(folder.path, Limits(max_bytes=limit * KIB)).next_run.command
        assert int(dict(word.split("=") for word in command.split()[3:])["weight_bits"]) in (6, 7, 8, 32)


def test_a_fraction_stays_one(folder, metrics):
    for alpha, drop in ((0.5, 3.0), (0.9, 2.0)):
        folder.add(f"a{alpha}", {"distillation.alpha": alpha}, metrics=metrics(val=0.98 - drop / 100, dense_val=0.98))
    found = recommend(folder.path, Limits(max_drop=1.0))
    assert found.next_run.command == "python train.py -m distillation.alpha=0.9 name=sweep seed=43"


def test_a_step_beyond_stays_below_all_weights(folder, metrics):
    add(folder, metrics, 0.9, 8, drop=1.0, kib=200)
    add(folder, metrics, 0.95, 8, drop=2.0, kib=120)
    found = recommend(folder.path, Limits(max_bytes=50 * KIB))
    assert found.next_run.command == "python train.py -m sparsity=0.975 weight_bits=8 name=sweep"


def test_a_lone_run_is_repeated_with_another_seed(folder, metrics):
    folder.add("a", {"strategy": "gmp"}, metrics=metrics(seed=7), overrides=["strategy=gmp", "name=x", "seed=7"])
    found = recommend(folder.path, Limits(max_drop=50))
    assert found.next_run.command == "python train.py -m strategy=gmp name=sweep seed=8"


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
    """Return the overrides of each job that Hydra makes of a proposed command."""
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
    """Twelve points by hand, of which 0.7 to 0.9 of sparsity would gain by a value between."""
    folder.plan["command"] = ["train.py", *command]
    for sparsity, drop, kib in ((0.5, 0.2, 400), (0.7, 0.8, 300), (0.9, 4.0, 100)):
        for bits in (6, 8):
            for seed in seeds:
                axes = {"sparsity": sparsity, "weight_bits": bits} | ({"seed": seed} if len(seeds) > 1 else {})
                made = metrics(val=0.98 - drop / 100, dense_val=0.98, num_bytes=kib * KIB * bits // 8, seed=seed)
                own = [*lines, *(f"{key}={value}" for key, value in axes.items())]
                folder.add(f"s{100 * sparsity:g}_w{bits}_{seed}", axes, metrics=made, overrides=own)


def test_the_next_command_is_the_sweeps_own_at_one_point(folder, metrics):
    """What was asked of one call goes, what says how jobs are run stays."""
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


def test_a_name_that_was_given_stays(folder, metrics):
    sweep_of(folder, metrics, ["--multirun", "name=a/b", "sparsity=0.5,0.7,0.9", "weight_bits=6,8", "+model.x=1"])
    command = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert command == "python train.py --multirun name=a/b sparsity=0.77 weight_bits=6 +model.x=1"


def test_a_key_that_was_added_is_added_again(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "+model.width_mult=0.5,1.0"]
    for width, drop in ((0.5, 3.0), (1.0, 1.0)):
        made = metrics(val=0.98 - drop / 100, dense_val=0.98, num_bytes=int(400 * KIB * width))
        axes = {"model.width_mult": width}
        folder.add(f"w{width}", axes, metrics=made, overrides=[f"+model.width_mult={width}"])
    command = recommend(folder.path, Limits(max_drop=2.0)).next_run.command
    assert command == "python train.py -m +model.width_mult=0.75 name=sweep"


def test_what_it_adds_lies_on_the_axes_and_is_not_proposed_again(folder, metrics):
    """A command that holds all axes at one value has none; its job is put on those of the folder."""
    sweep_of(folder, metrics, ["-m", "sparsity=0.5,0.7,0.9", "weight_bits=6,8"])
    limits = Limits(max_drop=2.0)
    first = recommend(folder.path, limits).next_run.command
    made = metrics(val=0.965, dense_val=0.98, num_bytes=200 * KIB)
    folder.add(
        "1a2b3c", {"sparsity": 0.77, "weight_bits": 6}, metrics=made, overrides=["sparsity=0.77", "weight_bits=6"]
    )
    found = recommend(folder.path, limits)
    assert "s77 w6" in [one.label for one in found.answer.configurations]
    assert found.next_run.command != first
    # Another seed of it is the same configuration.
    made = metrics(val=0.963, dense_val=0.98, num_bytes=200 * KIB, seed=43)
    folder.add(
        "4d5e6f",
        {"sparsity": 0.77, "weight_bits": 6},
        metrics=made,
        overrides=["sparsity=0.77", "weight_bits=6", "seed=43"],
    )
    [one] = [one for one in recommend(folder.path, limits).answer.configurations if one.label == "s77 w6"]
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
    # It may be none of the folder's last command.
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.7", "name=sweep"]
    folder.plan["jobs"][1]["kept"] = True
    folder.add("c", {"sparsity": 0.7}, metrics=metrics())
    command = recommend(folder.path, Limits(max_drop=5)).next_run.command
    assert command == "python train.py -m sparsity=0.9 name=sweep"


def test_a_baseline_without_numbers_needs_the_switch(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.5"]
    folder.add("a", {}, metrics=metrics())
    folder.add("r", {}, kind="random", status="killed", overrides=["sparsity=0.5", "strategy.name=x"])
    command = recommend(folder.path, Limits(max_drop=5)).next_run.command
    assert command == "python train.py -m sparsity=0.5 baselines=true"


def test_a_kept_baseline_is_run_beside_the_job_it_matches(folder, metrics):
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


def test_a_search_has_as_many_trials_as_the_command_line_says():
    assert inspect.signature(cli.search).parameters["trials"].default == TRIALS


def test_ties_of_what_to_ship_are_said(folder, metrics):
    """Two within noise, and the dearer is a hair better; one that is as good and over the limit is not named."""
    folder.plan["axes"] = {"sparsity": [0.5, 0.9], "seed": [0, 1, 2]}
    for name, sparsity, mean, kib in (("a", 0.5, 0.951, 400), ("b", 0.7, 0.950, 200), ("c", 0.9, 0.9505, 900)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            made = metrics(val=mean + step, dense_val=0.98, num_bytes=kib * KIB, seed=seed)
            folder.add(f"{name}{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    text = " ".join(words(recommend(folder.path, Limits(max_bytes=500 * KIB))).split())
    assert "Ship" in text
    assert "tied with 1 other within the noise of seeds; the smallest of them is b2, 200.0 KiB" in text


def test_baselines_may_be_shipped_and_say_so(folder, metrics):
    add(folder, metrics, 0.5, 8, drop=5.0, kib=400)
    add(folder, metrics, 0.5, 8, drop=1.0, kib=300, kind="random")
    found = recommend(folder.path, Limits(max_drop=2.0))
    assert found.best.is_baseline
    assert "baseline: random pruning" in words(found)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_commands_on_the_command_line(folder, metrics, tmp_path):
    add(folder, metrics, 0.5, 8, drop=0.5, kib=300)
    folder.add("b", {"sparsity": 0.9, "weight_bits": 8}, status="failed", reason="out of memory")
    done = run("report", folder.path)
    assert done.exit_code == 0
    assert "failed: b (out of memory)" in done.output
    done = run("recommend", folder.path, "--max-drop", "1.0", "--max-bytes", "300KiB", "--max-latency", "0.5ms")
    assert done.exit_code == 0
    assert "Ship" in done.output
    assert "python train.py" in done.output
    (tmp_path / "empty").mkdir()
    for arguments, part in (
        (("report", tmp_path / "empty"), "no jobs here"),
        (("report", tmp_path / "nowhere"), "not a folder"),
        (("recommend", folder.path), "--max-drop POINTS"),
        (("recommend", folder.path, "--max-bytes", "3 parsecs"), "KiB"),
        (("recommend", folder.path, "--max-bytes", "0"), "--max-bytes=0: must be above 0"),
        (("recommend", folder.path, "--max-bytes", "0.5"), "--max-bytes=0.5: must be above 0"),
        (("recommend", folder.path, "--max-latency", "3"), "ms"),
        (("recommend", folder.path, "--max-drop", "nan"), "--max-drop"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2, arguments
        assert part in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_nothing_finished_is_one_line(folder):
    folder.add("a", status="failed", reason="no")
    with pytest.raises(InputError, match="none of 1 jobs has finished"):
        recommend(folder.path, Limits(max_drop=1.0))
