import io

import pytest
from rich.console import Console
from sweep_folders import KIB, add_point
from typer.testing import CliRunner

from compression.cli import app
from compression.core.errors import InputError
from compression.sweep.report.limits import Limits
from compression.sweep.report.recommendation import recommend


def words(recommendation):
    stream = io.StringIO()
    Console(file=stream, width=160).print(recommendation.to_rich())
    return stream.getvalue()


def test_the_best_within_and_the_misses(folder, metrics):
    add_point(folder, metrics, 0.5, 8, drop=0.2, kib=400)
    add_point(folder, metrics, 0.7, 8, drop=0.8, kib=300)
    add_point(folder, metrics, 0.9, 8, drop=4.0, kib=200)
    found = recommend(folder.path, Limits(max_drop=1.0, max_bytes=320 * KIB))
    assert found.best.job.name == "s70_w8"
    # One file is a quarter over 320 KiB. Three points over 1 count as 0.3.
    assert [one.job.name for one in found.others] == ["s50_w8", "s90_w8"]
    text = words(found)
    assert "400.0 KiB (1.25x)" in text
    assert "4.00 (+3.00)" in text


def test_at_the_limit_is_within_it(folder, metrics):
    add_point(folder, metrics, 0.5, 8, drop=1.0, kib=300, milliseconds=0.5)
    assert recommend(folder.path, Limits(1.0, 300 * KIB, 0.5)).best is not None
    assert recommend(folder.path, Limits(0.99, 300 * KIB, 0.5)).best is None
    assert recommend(folder.path, Limits(1.0, 300 * KIB - 1, 0.5)).best is None
    assert recommend(folder.path, Limits(1.0, 300 * KIB, 0.49)).best is None


def test_with_only_a_drop_the_smallest_file_is_best(folder, metrics):
    add_point(folder, metrics, 0.5, 8, drop=0.1, kib=400)
    add_point(folder, metrics, 0.7, 8, drop=0.9, kib=300)
    assert recommend(folder.path, Limits(max_drop=1.0)).best.job.name == "s70_w8"
    assert recommend(folder.path, Limits(max_drop=1.0, max_bytes=1e9)).best.job.name == "s50_w8"


def test_an_untimed_job_is_not_within_a_latency(folder, metrics):
    document = metrics()
    document["timing"]["latency"] = []
    folder.add("a", {"sparsity": 0.5}, metrics=document)
    found = recommend(folder.path, Limits(max_latency=1e6))
    assert found.best is None
    assert "not measured" in words(found)


def test_the_fastest_engine_is_named(folder, metrics):
    """The sparse engine is the fastest for the second file; the simulation in eager is faster and does not count."""
    add_point(folder, metrics, 0.5, 8, drop=0.1, kib=400, milliseconds=0.6)
    document = metrics(val=0.97, dense_val=0.98, milliseconds=0.6, sparsity=0.9, weight_bits=8)
    for entry in document["timing"]["latency"]:
        if entry["engine"] == "openvino" and entry["batch_size"] == 1:
            entry["engine"], entry["compressed"]["latency_ms"]["median"] = "sparse", 0.2
    folder.add("s90_w8", {"sparsity": 0.9, "weight_bits": 8}, metrics=document)
    text = words(recommend(folder.path, Limits(max_latency=0.5)))
    assert "Ship" in text
    assert "s90_w8" in text
    assert "0.2 ms in sparse" in text
    assert "0.6 ms in onnxruntime (1.20x)" in text


def test_ties_of_the_recommendation_are_described(folder, metrics):
    """Two are tied, and the larger is slightly better. A third is as good but over the limit, so it is not named."""
    folder.plan["axes"] = {"sparsity": [0.5, 0.9], "seed": [0, 1, 2]}
    for name, sparsity, mean, kib in (("a", 0.5, 0.951, 400), ("b", 0.7, 0.950, 200), ("c", 0.9, 0.9505, 900)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            made = metrics(val=mean + step, dense_val=0.98, num_bytes=kib * KIB, seed=seed)
            folder.add(f"{name}{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    text = " ".join(words(recommend(folder.path, Limits(max_bytes=500 * KIB))).split())
    assert "Ship" in text
    assert "tied with 1 other within the noise of seeds; the smallest of them is b2, 200.0 KiB" in text


def test_a_recommended_baseline_is_marked(folder, metrics):
    add_point(folder, metrics, 0.5, 8, drop=5.0, kib=400)
    add_point(folder, metrics, 0.5, 8, drop=1.0, kib=300, kind="random")
    found = recommend(folder.path, Limits(max_drop=2.0))
    assert found.best.is_baseline
    assert "baseline: random pruning" in words(found)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_commands_on_the_command_line(folder, metrics, tmp_path):
    add_point(folder, metrics, 0.5, 8, drop=0.5, kib=300)
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


def test_a_sweep_without_finished_jobs_is_an_error(folder):
    folder.add("a", status="failed", reason="no")
    with pytest.raises(InputError, match="none of 1 jobs has finished"):
        recommend(folder.path, Limits(max_drop=1.0))


def test_runs_on_different_images_are_refused_in_one_line(folder, metrics):
    for name in ("a", "b"):
        document = metrics()
        document["run"]["data_settings"] = {"fingerprint": name}
        folder.add(name, {"data": name}, metrics=document)
    done = run("recommend", folder.path, "--max-drop", "1.0")
    assert done.exit_code == 2
    [line] = done.stderr.strip().splitlines()
    assert "the runs have 2 different sets of images (see fingerprint), so their scores do not compare" in line
