import logging

import pytest

from compression.callbacks.resume_notice import ResumeNotice

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


@pytest.fixture
def lines(caplog):
    name = "compression.callbacks.resume_notice"
    caplog.set_level(logging.INFO, logger=name)
    return lambda: [record.getMessage() for record in caplog.records if record.name == name]


def test_a_resumed_training_names_its_epoch(fit, tmp_path, lines):
    _, trainer = fit([ResumeNotice("prune")], max_epochs=2)
    assert lines() == []
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    fit([ResumeNotice("prune")], max_epochs=3, ckpt_path=tmp_path / "half.ckpt")
    assert lines() == ["prune  resumes from epoch 2 of 3"]
