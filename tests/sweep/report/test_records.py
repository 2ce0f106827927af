import json
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_folders import Folder, make_metrics

from compression.core.errors import InputError
from compression.core.file_names import METRICS
from compression.reporting.metrics_reader import read_measured
from compression.sweep.jobs import JOB, STATUSES
from compression.sweep.report.fronts import make_fronts
from compression.sweep.report.job_table import define_columns, make_rows, to_csv
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.limits import Limits
from compression.sweep.report.picks import make_picks
from compression.sweep.report.records import read_records
from compression.sweep.report.suggestion import propose
from compression.sweep.report.sweep_markdown import to_markdown
from compression.sweep.report.sweep_result import SweepResult
from compression.sweep.report.sweep_summary import make_summary


def read(folder):
    return {job.name: job for job in read_records(folder.path).jobs}


def test_a_finished_job(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.91))
    job = read(folder)["a"]
    assert (job.status, job.reason, job.seconds, job.seed) == ("finished", None, 12.5, 42)
    assert (job.measured.val_accuracy, job.measured.bytes) == (0.91, 2**20)


def test_latency_is_that_of_the_fastest_engine_that_executes_integers(folder, metrics):
    folder.add("a", metrics=metrics(milliseconds=0.5))
    folder.add("b", {"x": 1}, metrics=metrics(milliseconds=0.5, weight_bits=32))
    job, dense = read(folder)["a"], read(folder)["b"]
    best = job.measured.latency(1)
    assert (best.engine, best.milliseconds, best.dense_milliseconds) == ("onnxruntime", 0.5, 1.0)
    assert {entry.engine for entry in job.measured.latencies} == {"onnxruntime", "openvino"}
    assert {entry.engine for entry in dense.measured.latencies} == {"eager", "onnxruntime", "openvino"}
    assert job.measured.latency(7) is None


def test_every_damaged_record_is_a_row_with_a_reason(folder, metrics):
    folder.add("good", metrics=metrics())
    folder.add("absent", status=None)
    folder.add("failed", status="failed", reason="RuntimeError: out\nof memory")
    folder.add("running", status="running")
    folder.add("no-metrics")
    folder.add("half", metrics=metrics())
    intact = (folder.path / "half" / METRICS).read_text()
    folder.write("half", METRICS, intact[: len(intact) // 2])
    folder.add("newer", metrics=metrics() | {"schema_version": 99})
    folder.add("torn", status="running")
    folder.write("torn", JOB, '{"schema_version": 1, "na')
    folder.add("torn-but-done", metrics=metrics())
    folder.write("torn-but-done", JOB, "")
    folder.add("strange", status="exploded")
    folder.add("newer-job", status="failed")
    folder.write("newer-job", JOB, '{"schema_version": 7, "status": "failed"}')
    folder.add("binary")
    (folder.path / "binary" / METRICS).write_bytes(b"\xff\xfe\x00")
    folder.add("list", metrics=[1, 2])
    damaged = metrics()
    damaged["timing"]["latency"] = [3]
    folder.add("damaged", metrics=damaged)
    negative = metrics()
    negative["compressed"]["accuracy"] = 1.5
    folder.add("above-one", metrics=negative)
    jobs = read(folder)
    found = {name: (job.status, job.reason) for name, job in jobs.items()}
    assert found["good"] == ("finished", None)
    assert found["absent"] == ("waiting", None)
    assert found["failed"] == ("failed", "RuntimeError: out of memory")
    assert found["running"][0] == "running"
    assert found["no-metrics"] == ("broken", "metrics.json: missing")
    assert found["half"][0] == "broken"
    assert "newer" in found["newer"][1]
    assert found["torn"][0] == "broken"
    assert found["torn-but-done"][0] == "finished"
    for name in ("strange", "newer-job", "binary", "list", "damaged"):
        assert found[name][0] == "broken", name
    assert found["above-one"] == (
        "broken",
        "metrics.json: compressed.accuracy=1.5: must be a number <= 1.0",
    )
    assert all(job.reason is None or "\n" not in job.reason for job in jobs.values())
    assert all((job.measured is not None) == (job.status == "finished") for job in jobs.values())


def test_a_job_whose_process_is_gone_is_interrupted(folder):
    record = {"schema_version": 1, "name": "a", "status": "running", "host": socket.gethostname()}
    for name, pid in (("gone", 2**31 - 1), ("here", os.getpid())):
        folder.add(name, status="running")
        folder.write(name, JOB, json.dumps(record | {"pid": pid}))
    assert {name: job.status for name, job in read(folder).items()} == {"gone": "interrupted", "here": "running"}


def test_a_failed_job_is_not_finished_by_the_numbers_of_an_earlier_attempt(folder, metrics):
    folder.add("a", status="killed", reason="signal 9", metrics=metrics())
    assert read(folder)["a"].measured is None


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_metrics_are_read(metrics, version):
    document = metrics() | {"schema_version": version}
    if version == 1:
        del document["pruning_history"], document["quantization"]
    assert read_measured(document).accuracy == 0.96


def test_a_missing_number_is_named(metrics):
    document = metrics()
    del document["compressed"]["bytes"]
    with pytest.raises(ValueError, match=r"^compressed\.bytes is missing$"):
        read_measured(document)


def paths(document, prefix=()):
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*prefix, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, (*prefix, key))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_to_a_document_is_only_a_reason(tmp_path_factory, data):
    folder = Folder(tmp_path_factory.mktemp("damage"))
    document = make_metrics(history=[{"step": 1, "sparsity": 0.5, "accuracy_after": 0.9}])
    *parents, last = data.draw(st.sampled_from(list(paths(document))))
    place = document
    for key in parents:
        place = place[key]
    odd = [None, [], {}, "x", -1, 10**400, True, [None], {"a": 1}, 1.5]
    place[last] = data.draw(st.sampled_from(odd))
    folder.add("a", metrics=document)
    (job,) = read_records(folder.path).jobs
    assert job.status in STATUSES
    assert (job.measured is None) == (job.status == "broken")
    ranking = rank_sweep(read_records(folder.path))
    assert len(to_csv(make_rows(ranking), columns=list(define_columns(ranking))).splitlines()) == 2
    result = SweepResult(ranking, tuple(make_picks(ranking)), make_fronts(ranking))
    json.dumps(make_summary(result), allow_nan=False)
    to_markdown(result, {})
    propose(ranking, Limits(max_drop=0.0), best=None, by_bytes=False)


def test_axes_of_single_runs_are_where_their_commands_differ(folder, metrics):
    for name, words in (
        ("a", ["train.py", "sparsity=0.5", "seed=1", "name=a", "hydra.job.x=1", "--cfg"]),
        ("b", ["train.py", "sparsity=0.9", "seed=1", "name=b", "+strategy=gmp"]),
    ):
        folder.write(name, METRICS, json.dumps(metrics(command=words)))
    folder.write("store", "other.json", "{}")
    sweep = read_records(folder.path)
    assert sweep.axes == {"sparsity": (0.5, 0.9), "strategy": ("gmp",)}
    assert [(job.name, job.kind, dict(job.axes)) for job in sweep.jobs] == [
        ("a", "run", {"sparsity": 0.5, "strategy": None}),
        ("b", "run", {"sparsity": 0.9, "strategy": "gmp"}),
    ]


def test_a_damaged_plan_is_read_as_single_runs(folder, metrics):
    folder.add("a", metrics=metrics())
    (folder.path / "sweep.json").write_text('{"jobs": ')
    sweep = read_records(folder.path)
    assert [job.name for job in sweep.jobs] == ["a"]
    assert "sweep.json" in sweep.notes[0]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema_version": 2, "jobs": []}'])
def test_a_folder_without_jobs_is_a_one_line_error(tmp_path, content):
    if content is not None:
        (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_records(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="not a folder"):
        read_records(tmp_path / "nowhere")


def test_axes_keep_the_order_of_the_plan(folder, metrics):
    folder.plan["axes"] = {"sparsity": [0.9, 0.5], "weight_bits": [8, 6]}
    folder.add("a", {"weight_bits": 6, "sparsity": 0.5, "extra": [1, 2]}, metrics=metrics())
    assert read_records(folder.path).axes == {"sparsity": (0.9, 0.5), "weight_bits": (8, 6), "extra": ("[1, 2]",)}


def test_jobs_of_several_commands_differ_in_what_each_command_holds(folder, metrics):
    """Each command has one number of epochs. The seeds of both must not become one configuration."""
    for seed, epochs in ((3, 8), (4, 8), (1, 1), (2, 1)):
        lines = [f"seed={seed}", f"training.epochs={epochs}", f"name=mix{epochs}", f"analysis={epochs}"]
        made = metrics(seed=seed, val=0.9 if epochs == 8 else 0.5)
        folder.add(f"seed{seed}", {"seed": seed}, overrides=lines, metrics=made, kept=epochs == 1)
    sweep = read_records(folder.path)
    assert sweep.axes["training.epochs"] == (8, 1)
    found = rank_sweep(sweep).configurations
    assert [(one.label, one.num_jobs, round(one.val.mean, 9)) for one in found] == [
        ("epochs=8", 2, 0.9),
        ("epochs=1", 2, 0.5),
    ]
