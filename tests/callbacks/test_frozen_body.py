import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from compression.callbacks.epoch_seed import EpochSeed
from compression.callbacks.frozen_body import FrozenBody
from compression.tasks.classification import network

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:Checkpoint directory .* exists and is not empty",
)
# The linear layer of the tiny network of these tests.
HEAD = ("9.weight", "9.bias")


class Snapshots(Callback):
    """The state of the network at the start and at the end of every epoch."""

    def __init__(self):
        self.states = []

    def on_train_start(self, trainer, pl_module):
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer, pl_module):
        del trainer
        self.states.append({name: value.clone() for name, value in network(pl_module).state_dict().items()})


def changed(before, after):
    return {name for name, value in before.items() if not value.equal(after[name])}


def train(fit, num_frozen, *, epochs, **settings):
    states = Snapshots()
    task, _ = fit([FrozenBody(num_frozen, head=HEAD), states], max_epochs=epochs, **settings)
    return task.net, states.states


def test_only_the_head_learns_in_the_first_epochs(fit):
    net, states = train(fit, 2, epochs=3)
    # Neither weight decay nor batch statistics touch the body; validation in between changes no mode.
    assert changed(states[0], states[1]) == set(HEAD)
    assert changed(states[1], states[2]) == set(HEAD)
    assert changed(states[2], states[3]) == states[0].keys()
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_without_frozen_epochs_everything_learns(fit):
    _, states = train(fit, 0, epochs=1)
    assert changed(*states) == states[0].keys()


def test_a_training_may_be_frozen_to_its_end(fit):
    net, states = train(fit, 1, epochs=1)
    assert changed(*states) == set(HEAD)
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_what_the_network_keeps_fixed_stays_fixed(fit, make_task):
    task = make_task()
    task.net[0].weight.requires_grad_(False)
    net, states = train(fit, 1, epochs=2, task=task)
    assert changed(states[1], states[2]) == states[0].keys() - {"0.weight"}
    assert [name for name, one in net.named_parameters() if not one.requires_grad] == ["0.weight"]


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_killed_training_resumes_exactly(fit, tmp_path, killed_after):
    def run(folder, max_epochs):
        last = tmp_path / folder / "last.ckpt"
        save = ModelCheckpoint(last.parent, filename="last", every_n_epochs=1, enable_version_counter=False)
        task, _ = fit(
            [EpochSeed("kill"), FrozenBody(2, head=HEAD), save],
            max_epochs=max_epochs,
            enable_checkpointing=True,
            ckpt_path=last if last.exists() else None,
        )
        return task.net.state_dict()

    whole = run("whole", 4)
    run("killed", killed_after)
    assert not changed(whole, run("killed", 4))
