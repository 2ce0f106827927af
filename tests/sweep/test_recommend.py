import io
import shlex

import pytest
from rich.console import Console
from runs import compose_config
from typer.testing import CliRunner

from compression.cli import app
from compression.core.errors import InputError
from compression.sweep.answer.limits import Limits, parse_milliseconds
from compression.sweep.answer.recommend import recommend

KIB = 2**10


@pytest.mark.parametrize(("text", "count"), [("0.5ms", 0.5), ("2s", 2000), ("250 us", 0.25), ("250µs", 0.25)])
def test_times(text, count):
    assert parse_milliseconds(text, key="--max-latency") == pytest.approx(count)


@pytest.mark.parametrize("text", ["0.5", "3 KiB", "5 min"])
def test_what_is_not_a_time(text):
    with pytest.raises(InputError, match=r"^--max-latency=.*: must be a time above 0 such as 0.5ms, 800us or 0.1s"):
        parse_milliseconds(text, key="--max-latency")


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
    assert found.next_run.command == "python train.py weight_bits=8 sparsity=0.6"
    assert "2.00 points lost" in found.next_run.rule
    assert "s50 w8 and s90 w8" in found.next_run.rule


def test_bytes_are_met_by_ratio(folder, metrics):
    """From 400 to 100 KiB over 0.4 of sparsity, 200 KiB are half way; rounded towards what is within."""
    add(folder, metrics, 0.5, 8, drop=1.0, kib=400)
    add(folder, metrics, 0.9, 8, drop=5.0, kib=100)
    found = recommend(folder.path, Limits(max_bytes=200 * KIB))
    assert found.best.job.name == "s90_w8"
    assert found.next_run.command == "python train.py weight_bits=8 sparsity=0.7"


def test_whole_numbers_stay_whole(folder, metrics):
    add(folder, metrics, 0.5, 4, drop=5.0, kib=200)
    add(folder, metrics, 0.5, 8, drop=0.5, kib=400)
    found = recommend(folder.path, Limits(max_bytes=300 * KIB))
    assert found.next_run.command == "python train.py sparsity=0.5 weight_bits=6"


def test_what_is_in_the_plan_already_is_not_proposed(folder, metrics):
    add(folder, metrics, 0.5, 4, drop=5.0, kib=200)
    add(folder, metrics, 0.5, 5, drop=4.0, kib=400)
    add(folder, metrics, 0.5, 6, drop=0.0, kib=300, status="failed", reason="boom")
    found = recommend(folder.path, Limits(max_bytes=100 * KIB))
    # Two bits are not below the least.
    assert found.best is None
    assert found.next_run.command == "python train.py sparsity=0.5 weight_bits=3"
    found = recommend(folder.path, Limits(max_bytes=500 * KIB))
    assert found.next_run.command == "python train.py sparsity=0.5 weight_bits=6"
    assert "failed (boom)" in found.next_run.rule


def test_bits_that_there_are_not_are_not_proposed(folder, metrics):
    """Not 20 between 8 and 32, nor 10 beyond 8."""
    for bits, drop, kib in ((6, 3.0, 200), (8, 2.0, 300), (32, 1.0, 900)):
        add(folder, metrics, 0.5, bits, drop=drop, kib=kib)
    for limit in (250, 600, 2000):
        command = recommend(folder.path, Limits(max_bytes=limit * KIB)).next_run.command
        assert int(dict(word.split("=") for word in command.split()[2:])["weight_bits"]) in (6, 7, 8, 32)


def test_a_fraction_stays_one(folder, metrics):
    for alpha, drop in ((0.5, 3.0), (0.9, 2.0)):
        folder.add(f"a{alpha}", {"distillation.alpha": alpha}, metrics=metrics(val=0.98 - drop / 100, dense_val=0.98))
    found = recommend(folder.path, Limits(max_drop=1.0))
    assert found.next_run.command == "python train.py distillation.alpha=0.9 seed=43"


def test_a_step_beyond_stays_below_all_weights(folder, metrics):
    add(folder, metrics, 0.9, 8, drop=1.0, kib=200)
    add(folder, metrics, 0.95, 8, drop=2.0, kib=120)
    found = recommend(folder.path, Limits(max_bytes=50 * KIB))
    assert found.next_run.command == "python train.py weight_bits=8 sparsity=0.975"


def test_a_lone_run_is_repeated_with_another_seed(folder, metrics):
    folder.add("a", {"strategy": "gmp"}, metrics=metrics(seed=7), overrides=["strategy=gmp", "name=x", "seed=7"])
    found = recommend(folder.path, Limits(max_drop=50))
    assert found.next_run.command == "python train.py strategy=gmp seed=8"


def test_commands_are_quoted_and_compose(folder, metrics):
    overrides = ["data=digits", "bits=6", "quantization.layer_bits=[first:8]", "sparsity=0.5"]
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(num_bytes=400 * KIB), overrides=overrides)
    folder.add("b", {"sparsity": 0.9}, metrics=metrics(num_bytes=100 * KIB, val=0.9), overrides=overrides)
    command = recommend(folder.path, Limits(max_bytes=200 * KIB)).next_run.command
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", "train.py")
    assert compose_config(*arguments).sparsity == 0.7


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
