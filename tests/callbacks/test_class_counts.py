import pytest
import torch

from compression.callbacks.class_counts import ClassCounts

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


def test_counts_of_batches_by_hand():
    counts = ClassCounts(3)
    counts.on_validation_start(None, None)
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 0.0]])
    counts.on_validation_batch_end(None, None, logits, (None, torch.tensor([0, 0, 1])), 0)
    counts.on_validation_batch_end(None, None, logits[:1], (None, torch.tensor([2])), 1)
    assert counts.hits.tolist() == [1, 1, 0]
    assert counts.totals.tolist() == [2, 1, 1]
    counts.on_validation_start(None, None)
    assert counts.totals.tolist() == [0, 0, 0]


def test_the_counts_agree_with_the_accuracy_of_a_validation(make_task, make_trainer, make_batches):
    counts = ClassCounts(3)
    trainer = make_trainer([counts], max_epochs=1)
    [metrics] = trainer.validate(make_task(), make_batches("val"), verbose=False)
    assert counts.totals.tolist() == [4, 4, 4]
    assert counts.hits.sum() / 12 == pytest.approx(metrics["val/accuracy"])
