"""The log of a run for each kind of logger. What is written is read back; nothing touches the network."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from lightning.pytorch.loggers.logger import DummyLogger
from PIL import Image
from runs import TINY, compose_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from compression.core.errors import InputError
from compression.reporting.hparams import ROW
from compression.run.job_log.folder_logs import CsvLog, TensorBoardLog
from compression.run.job_log.job_log import LoggedRun, Result
from compression.run.job_log.make_log import make_log, make_logged_run
from compression.run.job_log.mlflow_log import MlflowLog
from compression.run.job_log.other_log import OtherLog
from compression.run.job_log.wandb_log import WandbLog

KINDS = {"csv": CsvLog, "mlflow": MlflowLog, "tensorboard": TensorBoardLog, "wandb": WandbLog}
SETTINGS = {"sparsity": 0.5, "weight_bits": 8, "activation_bits": 32, "strategy.name": "gmp"}
POINTS = [(10, {"lr": 0.1, "val/accuracy": 0.25}), (20, {"lr": 0.2, "val/accuracy": 0.5})]
STEPS = [(5, {"sparsity": 0.5, "sparsity/conv.weight": 0.25})]
ROW_VALUES = {"accuracy": 0.75, "bytes": 1000.0, "sparsity": 0.5}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No library may change the environment of other tests, or use the network."""
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"file:{tmp_path / 'unused'}",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make(tmp_path):
    """Function that makes the log of a run in the folder ``runs/first``, as each new process does."""

    def make_one(kind, *, folder="runs/first", sweep=None, **settings):
        logger = compose_config(*TINY, f"logger={kind}").logger
        path = tmp_path / folder
        run = LoggedRun(
            path, tmp_path, logger, {**SETTINGS, **settings}, sweep=None if sweep is None else tmp_path / sweep
        )
        return KINDS[kind](run)

    return make_one


@pytest.fixture
def result(tmp_path):
    """A result with a picture of 3x2 pixels."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (3, 2), (255, 0, 0)).save(path)
    return Result(ROW_VALUES, {"dense/accuracy": 0.5}, "# Report", {"picture": path}, [path])


def log_stage(log, stage, points):
    logger = log.open(stage)
    for step, values in points:
        logger.log_metrics(values, step=step)
    logger.finalize("success")


def read_tensorboard(folder, stage):
    return EventAccumulator(str(folder / "tensorboard" / stage)).Reload()


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_chooses_the_log(tmp_path, kind):
    config = compose_config(*TINY, f"logger={kind}", f"output_dir={tmp_path}")
    log = make_log(config, tmp_path / "run")
    assert type(log) is KINDS[kind]
    assert (log.run.name, log.run.output_dir, log.run.sweep) == ("run", tmp_path, None)
    # Nothing is written before the log is used.
    assert not list(tmp_path.iterdir())


def test_settings_are_flat_and_a_job_knows_its_sweep(tmp_path):
    config = compose_config(*TINY, "strategy=iterative_l1", "weight_bits=8", f"output_dir={tmp_path}")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    run = make_logged_run(config, tmp_path / "sweep" / "job")
    assert run.sweep == tmp_path / "sweep"
    # Without a requested sparsity, the strategy's own counts, so that tables can plot it.
    assert config.sparsity is None
    wanted = {"sparsity": config.strategy.sparsity, "weight_bits": 8, "activation_bits": 32}
    assert {key: run.settings[key] for key in wanted} == wanted
    assert not {"name", "output_dir", "overwrite", "until"} & set(run.settings)
    assert all(isinstance(value, bool | int | float | str) for value in run.settings.values())


@pytest.mark.parametrize("kind", ["tensorboard", "csv"])
def test_each_stage_has_a_folder(make, kind):
    log = make(kind)
    assert log.last_step("dense") == -1
    log_stage(log, "dense", POINTS)
    assert (log.run.folder / kind / "dense").is_dir()
    assert (log.last_step("dense"), log.last_step("prune")) == (20, -1)
    log.restart("dense")
    assert log.last_step("dense") == -1


@pytest.mark.parametrize(("text", "last"), [("step,loss\n10,0.5\n2", 10), ("loss,st", -1), ("", -1)])
def test_a_truncated_csv_file_is_read_up_to_its_last_complete_row(make, text, last):
    log = make("csv")
    folder = log.run.folder / "csv" / "dense"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(text)
    assert log.last_step("dense") == last


def test_tensorboard_has_the_result_its_pictures_and_one_row(make, result):
    log = make("tensorboard")
    assert not log.has_summary()
    for _ in range(2):
        log.write_summary(result)
        log.write_row(result)
    assert log.has_summary()
    summary = read_tensorboard(log.run.folder, "summary")
    assert [one.value for one in summary.Scalars("dense/accuracy")] == [0.5]
    [image] = summary.Images("picture")
    assert (image.width, image.height) == (3, 2)
    assert image.encoded_image_string == result.pictures["picture"].read_bytes()
    assert len(list((log.run.folder / "tensorboard" / ROW).glob("events*"))) == 1
    assert read_tensorboard(log.run.folder, ROW).Scalars("accuracy")[-1].value == 0.75


def test_csv_has_the_row_with_settings_and_figures(make, result):
    log = make("csv")
    log.write_summary(result)
    for _ in range(2):
        log.write_row(result)
    with (log.run.folder / "csv" / "result.csv").open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert row == {
        **{f"config.{key}": str(value) for key, value in SETTINGS.items()},
        **{key: str(value) for key, value in ROW_VALUES.items()},
    }
    assert log.has_summary()
    # The result that it describes is replaced.
    log.discard_summary()
    assert not log.has_summary()


def test_a_summary_that_a_kill_left_incomplete_counts_as_none(make, result, monkeypatch):
    log = make("csv")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(log), "add_more", killed)
    with pytest.raises(KeyboardInterrupt):
        log.write_summary(result)
    assert not log.has_summary()


class SomeLogger(DummyLogger):
    """A logger that this package does not know."""

    def __init__(self, **settings):
        super().__init__()
        self.settings = settings


def test_an_unknown_logger_gets_one_record_per_stage(tmp_path):
    run = LoggedRun(tmp_path / "first", tmp_path, {"_target_": f"{__name__}.SomeLogger", "project": "digits"}, {})
    made = OtherLog(run).open("prune")
    assert made.settings == {"name": "first-prune", "save_dir": str(tmp_path / "first"), "project": "digits"}
    assert OtherLog(run).last_step("prune") == -1


def test_an_object_that_is_no_logger_is_refused(tmp_path):
    run = LoggedRun(tmp_path / "first", tmp_path, {"_target_": "types.SimpleNamespace"}, {})
    with pytest.raises(InputError, match=r"^logger\._target_=types.SimpleNamespace makes .* must be lightning"):
        OtherLog(run).open("prune")


# Weights & Biases


@pytest.fixture
def runs():
    """Function that returns the offline runs of a job."""
    pytest.importorskip("wandb", reason="comes with the extra wandb")
    from wandb_files import read_runs

    return lambda log: read_runs(log.run.folder)


def test_wandb_has_one_run_with_the_curves_of_all_stages(make, result, runs):
    log = make("wandb")
    log_stage(log, "dense", POINTS)
    log_stage(log, "prune", [*STEPS, *POINTS])
    log.write_summary(result)
    log.close(finished=True)
    [run] = runs(log)
    assert (run.name, run.group, run.exit_code) == ("first", "", 0)
    assert {key: run.config[key] for key in SETTINGS} == SETTINGS
    # Curves of two stages do not overwrite each other, though both begin at update 0.
    assert run.curve("dense/val/accuracy") == run.curve("prune/val/accuracy") == [(10, 0.25), (20, 0.5)]
    assert run.curve("prune/sparsity/conv.weight") == [(5, 0.25)]
    assert {key: run.summary[key] for key in ROW_VALUES} == ROW_VALUES
    [row] = [row for row in run.history if "pictures/picture/path" in row]
    assert [row[f"pictures/picture/{key}"] for key in ("_type", "width", "height")] == ["image-file", 3, 2]
    assert log.has_summary()


def test_a_killed_wandb_run_is_continued_under_its_id(make, result, runs):
    killed = make("wandb")
    log_stage(killed, "dense", POINTS[:1])
    killed.close(finished=False)
    [before] = runs(killed)
    log = make("wandb")
    log.replay("dense", POINTS)
    log.write_summary(result)
    log.close(finished=True)
    [run] = runs(log)
    assert (before.id, before.exit_code) == (run.id, 1)
    assert run.curve("dense/val/accuracy") == [(10, 0.25), (20, 0.5)]


def test_a_repeated_wandb_run_writes_nothing_unless_its_result_changes(make, result, runs):
    log = make("wandb")
    log.replay("dense", POINTS)
    log.write_summary(result)
    log.close(finished=True)
    [file] = log.run.folder.glob("wandb/offline-run-*/*.wandb")
    again = make("wandb")
    again.replay("dense", POINTS)
    assert again.has_summary()
    again.close(finished=True)
    assert list(log.run.folder.glob("wandb/offline-run-*/*.wandb")) == [file]
    measured = make("wandb")
    measured.replay("dense", POINTS)
    measured.write_summary(replace(result, row={"accuracy": 0.5}))
    measured.close(finished=True)
    [run] = runs(measured)
    # The new record is complete: it has the curves of stages that were found finished.
    assert run.curve("dense/val/accuracy") == [(10, 0.25), (20, 0.5)]
    assert run.summary["accuracy"] == 0.5


def test_jobs_of_a_sweep_share_a_group_and_other_settings_make_another_run(make, runs):
    for folder, sparsity in (("sweep/a", 0.5), ("sweep/b", 0.7)):
        log = make("wandb", folder=folder, sweep="sweep", sparsity=sparsity)
        log_stage(log, "dense", POINTS)
        log.close(finished=True)
    first, second = (runs(make("wandb", folder=folder))[0] for folder in ("sweep/a", "sweep/b"))
    assert (first.group, second.group) == ("sweep", "sweep")
    assert first.id != second.id
    other = make("wandb", folder="sweep/a", sweep="sweep", sparsity=0.9)
    log_stage(other, "dense", POINTS)
    other.close(finished=True)
    assert len({run.id for run in runs(other)}) == 2


# MLflow


@pytest.fixture
def client(tmp_path):
    """MLflow's client on the file store of the output folder."""
    pytest.importorskip("mlflow", reason="comes with the extra mlflow")

    def open_client():
        from mlflow import MlflowClient

        return MlflowClient(f"file:{tmp_path / 'mlruns'}")

    return open_client


def find(client, name):
    [experiment] = [one for one in client.search_experiments() if one.name == "compression"]
    found = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in found} <= {"first", "a", "b", "sweep"}
    return [run for run in found if run.info.run_name == name]


def curve(client, run, name):
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]


def test_mlflow_has_one_run_with_the_curves_of_all_stages(make, result, client):
    log = make("mlflow")
    log_stage(log, "dense", POINTS)
    log_stage(log, "prune", [*STEPS, *POINTS])
    log.write_summary(result)
    log.close(finished=True)
    client = client()
    [run] = find(client, "first")
    assert run.info.status == "FINISHED"
    assert run.data.params == {key: str(value) for key, value in SETTINGS.items()}
    for stage in ("dense", "prune"):
        assert curve(client, run, f"{stage}/val/accuracy") == [(10, 0.25), (20, 0.5)]
    assert curve(client, run, "prune/layer_sparsity/conv.weight") == [(5, 0.25)]
    assert {key: run.data.metrics[key] for key in ROW_VALUES} == ROW_VALUES
    artifacts = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert artifacts == {"pictures", "picture.png"}
    assert [one.path for one in client.list_artifacts(run.info.run_id, "pictures")] == ["pictures/picture.png"]


@pytest.mark.parametrize("name", ["exp#3", "a?b", "50%", "100%25", "my runs"])
def test_the_file_store_lies_in_an_output_folder_of_any_name(make, tmp_path, name):
    utils = pytest.importorskip("mlflow.utils.file_utils", reason="comes with the extra mlflow")
    log = make("mlflow")
    log.run = replace(log.run, output_dir=tmp_path / name)
    log_stage(log, "dense", POINTS)
    log.close(finished=True)
    assert utils.local_file_uri_to_path(log._settings["tracking_uri"]) == str(tmp_path / name / "mlruns")
    assert [path.name for path in (tmp_path / name).iterdir() if path.is_dir()] == ["mlruns"]
    assert list((tmp_path / name / "mlruns").glob("*/*/metrics/dense/val/accuracy"))
    assert {path.name for path in tmp_path.iterdir()} <= {name, "runs", "unused"}


def test_a_killed_mlflow_run_is_continued_without_double_points(make, result, client):
    killed = make("mlflow")
    log_stage(killed, "dense", POINTS[:1])
    # A killed process ends nothing.
    assert [run.info.status for run in find(client(), "first")] == ["RUNNING"]
    log = make("mlflow")
    log.replay("dense", POINTS)
    log_stage(log, "prune", POINTS)
    log.write_summary(result)
    log.close(finished=True)
    again = make("mlflow")
    again.replay("dense", POINTS)
    assert again.has_summary()
    again.close(finished=True)
    client = client()
    [run] = find(client, "first")
    assert curve(client, run, "dense/val/accuracy") == [(10, 0.25), (20, 0.5)]
    assert run.info.status == "FINISHED"


def test_an_error_marks_the_mlflow_run_and_other_settings_make_another(make, client):
    for sparsity in (0.5, 0.7):
        log = make("mlflow", sparsity=sparsity)
        log_stage(log, "dense", POINTS)
        log.close(finished=False)
    found = find(client(), "first")
    assert {(run.info.status, run.data.params["sparsity"]) for run in found} == {("FAILED", "0.5"), ("FAILED", "0.7")}


def test_jobs_of_a_sweep_have_its_run_as_parent(make, client, tmp_path):
    (tmp_path / "sweep").mkdir()
    for name in ("a", "b"):
        log = make("mlflow", folder=f"sweep/{name}", sweep="sweep")
        log_stage(log, "dense", POINTS)
        log.close(finished=True)
    client = client()
    [parent] = find(client, "sweep")
    jobs = [run for name in ("a", "b") for run in find(client, name)]
    assert [run.data.tags["mlflow.parentRunId"] for run in jobs] == [parent.info.run_id] * 2
    assert {run.data.tags["sweep"] for run in jobs} == {"sweep"}


def test_a_run_that_was_deleted_in_mlflow_begins_again(make, client):
    for _ in range(2):
        log = make("mlflow")
        log_stage(log, "dense", POINTS)
        log.close(finished=True)
        [run] = find(client(), "first")
        assert curve(client(), run, "dense/lr") == [(10, 0.1), (20, 0.2)]
        client().delete_run(run.info.run_id)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 3, "settings": {}}'])
def test_a_damaged_record_of_the_id_begins_another_run(make, text):
    log = make("wandb")
    path: Path = log.identity_file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert make("wandb").identity is None
    path.write_text(json.dumps({"id": "abc", "settings": SETTINGS, "finished": True}))
    assert make("wandb").has_summary()
