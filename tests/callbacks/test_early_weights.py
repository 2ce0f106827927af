import pytest
import torch
from lightning.pytorch import Callback
from training_parts import assert_equal_states, copy_tensors

from compression.callbacks.early_weights import EarlyWeights

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


class EveryEpoch(Callback):
    def __init__(self):
        self.weights = []

    def on_train_epoch_end(self, trainer, pl_module):
        del trainer
        self.weights.append(copy_tensors(pl_module.net.state_dict()))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_weights_after_the_epoch_counted_from_one(fit, epoch):
    written, every = [], EveryEpoch()
    fit([EarlyWeights(epoch, lambda net: written.append(copy_tensors(net.state_dict()))), every], max_epochs=3)
    [weights] = written
    same = [torch.equal(weights["0.weight"], other["0.weight"]) for other in every.weights]
    assert same == [number == epoch for number in (1, 2, 3)]
    assert_equal_states(weights, every.weights[epoch - 1])


def test_the_last_weights_are_written_if_training_ends_early(fit):
    written = []
    task, _ = fit([EarlyWeights(4, lambda net: written.append(copy_tensors(net.state_dict())))], max_epochs=3)
    [weights] = written
    assert_equal_states(weights, task.net.state_dict())


def test_a_finished_training_that_resumes_writes_the_last_weights(fit, tmp_path):
    written = []
    early = EarlyWeights(4, lambda net: written.append(copy_tensors(net.state_dict())))
    task, trainer = fit([], max_epochs=2)
    trainer.save_checkpoint(tmp_path / "finished.ckpt")
    fit([early], max_epochs=2, ckpt_path=tmp_path / "finished.ckpt")
    [weights] = written
    assert_equal_states(weights, task.net.state_dict())


def test_a_resumed_run_does_not_write_again(fit, tmp_path):
    written = []
    early = EarlyWeights(1, lambda net: written.append(copy_tensors(net.state_dict())))
    _, trainer = fit([early], max_epochs=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    fit([early], max_epochs=3, ckpt_path=tmp_path / "half.ckpt")
    assert len(written) == 1
