from types import SimpleNamespace

import pytest
from runs import TINY, compose_config

from compression.reporting.hparams import ROW
from compression.run.training.loggers import close_logger, has_step, log_row, make_logger


def make_run(tmp_path, kind):
    return SimpleNamespace(config=compose_config(*TINY, f"logger={kind}"), run_dir=tmp_path)


@pytest.mark.parametrize("kind", ["tensorboard", "csv"])
def test_has_step_finds_logged_steps(tmp_path, kind):
    context = make_run(tmp_path, kind)
    logger = make_logger(context, "dense")
    assert not has_step(logger, 0)
    for step in (10, 20):
        logger.log_metrics({"val/accuracy": 0.5}, step=step)
    close_logger(logger)
    # Each stage has its own folder.
    assert (tmp_path / kind / "dense").is_dir()
    again, other = make_logger(context, "dense"), make_logger(context, "prune")
    assert [has_step(again, step) for step in (9, 20, 21)] == [True, True, False]
    assert not has_step(other, 1)


@pytest.mark.parametrize(("text", "steps"), [("step,loss\n10,0.5\n2", {10, 2}), ("loss,st", set()), ("", set())])
def test_a_truncated_csv_file_is_read_up_to_its_last_complete_row(tmp_path, text, steps):
    folder = tmp_path / "csv" / "dense"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(text)
    logger = SimpleNamespace(log_dir=str(folder))
    assert [has_step(logger, step) for step in (1, 10, 11)] == [bool(steps), 10 in steps, False]


def test_a_logger_without_folders_has_the_stage_in_its_name(tmp_path):
    settings = {"_target_": "types.SimpleNamespace", "project": "digits"}
    context = SimpleNamespace(config=SimpleNamespace(logger=settings), run_dir=tmp_path / "first")
    made = make_logger(context, "prune")
    assert (made.name, made.save_dir, made.project) == ("first-prune", str(tmp_path / "first"), "digits")


def test_a_run_has_one_row_in_the_hparams_table(tmp_path):
    context = make_run(tmp_path, "tensorboard")
    for accuracy in (0.5, 0.75):
        log_row(context, {"sparsity": 0.5}, {"accuracy": accuracy})
    assert len(list((tmp_path / "tensorboard" / ROW).glob("events*"))) == 1


def test_other_loggers_write_no_hparams_row(tmp_path):
    log_row(make_run(tmp_path, "csv"), {"sparsity": 0.5}, {"accuracy": 0.5})
    assert not list(tmp_path.iterdir())
