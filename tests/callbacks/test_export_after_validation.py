import pytest
import torch
from training_parts import assert_equal_states, copy_tensors

from compression.callbacks.export_after_validation import ExportCallback

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


def test_the_bare_network_is_written_as_validated(make_task, make_trainer, make_batches):
    written, task = [], make_task()
    before = copy_tensors(task.net.state_dict())
    trainer = make_trainer([ExportCallback(lambda net: written.append((net, net.training)))], max_epochs=1)
    trainer.validate(task, make_batches("val"), verbose=False)
    [(net, training)] = written
    assert net is task.net
    assert not training
    assert_equal_states(net.state_dict(), before)


def test_in_training_each_validation_writes_the_weights_it_saw(fit):
    written = []
    task, _ = fit([ExportCallback(lambda net: written.append(copy_tensors(net.state_dict())))], max_epochs=2)
    first, last = written
    assert_equal_states(last, task.net.state_dict())
    assert not torch.equal(first["0.weight"], last["0.weight"])
