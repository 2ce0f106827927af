"""Tests of distillation in training: the teacher changes the student, and the student does not change the teacher."""

from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn.functional import cross_entropy
from training_parts import EXAMPLE, OPTIMIZERS, KillAt, KilledError, ZeroWatch, assert_equal_states, copy_tensors

from compression.callbacks.distillation import DistillationCallback
from compression.callbacks.epoch_history import History
from compression.callbacks.epoch_seed import EpochSeed
from compression.distillation.features import choose_attention_layers, choose_hint_layers, feature_shapes
from compression.distillation.logit import mix_losses, soft_loss
from compression.distillation.objective import Distillation
from compression.distillation.teacher import Teacher
from compression.distillation.transfer import make_transfer

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:.*Checkpoint directory .* exists and is not empty.*",
)
KINDS = ("logit", "attention", "hint")


def make_teacher(dropout=0.5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        return nn.Sequential(
            nn.Conv2d(3, 12, 3, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 12, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(12, 3),
        )


def make_callback(student, *, kind="logit", alpha=0.9, teacher=None, **settings):
    teacher = teacher or make_teacher()
    transfer = None
    if kind != "logit":
        mine, its = (feature_shapes(net, EXAMPLE) for net in (student, teacher))
        pairs = (choose_hint_layers if kind == "hint" else choose_attention_layers)(mine, its)
        generator = torch.Generator().manual_seed(2)
        transfer = make_transfer(kind, pairs, student=mine, teacher=its, generator=generator, weight=0.5)
    settings = {"alpha": alpha, "temperature": 4.0, "transfer": transfer} | settings
    return DistillationCallback(Distillation(Teacher(teacher), **settings))


class Losses(Callback):
    """A recorder of the losses that each epoch logs."""

    def __init__(self):
        self.rows = []

    def on_train_epoch_end(self, trainer, pl_module):
        del pl_module
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def test_the_loss_equals_the_formula(fit, make_task, make_batches):
    task, teacher, losses = make_task(partial(torch.optim.SGD, lr=0.0), dropout=0.0), make_teacher(), Losses()
    student = copy_tensors(task.net.state_dict())
    fit([make_callback(task.net, teacher=teacher, alpha=0.7), losses], max_epochs=1, task=task)
    twin = make_task(dropout=0.0).net
    twin.load_state_dict(student)
    batches, expected = make_batches(), []
    for images, labels in batches:
        with torch.no_grad():
            logits = twin(images)
            soft = soft_loss(logits, teacher(images), temperature=4.0)
            expected.append(mix_losses(soft, cross_entropy(logits, labels), alpha=0.7))
    [row] = losses.rows
    assert row["train/loss"] == pytest.approx(float(torch.stack(expected).mean()))
    mixed = 0.7 * row["train/distillation_loss"] + 0.3 * row["train/cross_entropy"]
    assert row["train/loss"] == pytest.approx(mixed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_teacher_does_not_change(fit, make_task, tmp_path, kind):
    task, teacher = make_task(), make_teacher()
    before = copy_tensors(teacher.state_dict())
    save = ModelCheckpoint(tmp_path, filename="last", enable_version_counter=False, save_on_train_epoch_end=True)
    callback = make_callback(task.net, kind=kind, teacher=teacher)
    untaught = list(make_task().state_dict())
    _, trainer = fit([callback, save], max_epochs=1, task=task, enable_checkpointing=True)
    assert_equal_states(teacher.state_dict(), before)
    assert not any(module.training for module in teacher.modules())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher.parameters())
    # Neither in the task nor in what is written, nor trained.
    assert list(task.state_dict()) == untaught
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert list(saved["state_dict"]) == untaught
    trained = {id(parameter) for group in trainer.optimizers[0].param_groups for parameter in group["params"]}
    assert trained.isdisjoint({id(parameter) for parameter in teacher.parameters()})
    beside = {id(parameter) for parameter in callback.distillation.learned.parameters()}
    assert trained == beside | {id(parameter) for parameter in task.net.parameters()}
    state = saved["callbacks"].get("DistillationCallback", {})
    assert list(state) == (["regressors.0.weight", "regressors.0.bias"] if kind == "hint" else [])
    # Nothing of it is left in student or teacher.
    assert not any(module._forward_hooks for net in (task.net, teacher) for module in net.modules())
    assert task.objective == task.label_objective
    assert task.trained_beside == []


def test_without_alpha_the_student_is_that_of_plain_training(fit, make_task):
    plain, taught = make_task(), make_task()
    fit([EpochSeed(0)], max_epochs=2, task=plain)
    fit([EpochSeed(0), make_callback(taught.net, alpha=0)], max_epochs=2, task=taught)
    assert_equal_states(taught.net.state_dict(), plain.net.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_the_student_learns_from_its_teacher(fit, make_task, kind):
    plain, taught = make_task(), make_task()
    callback, losses = make_callback(taught.net, kind=kind), Losses()
    before = copy_tensors(callback.distillation.learned.state_dict())
    fit([EpochSeed(0)], max_epochs=3, task=plain)
    fit([EpochSeed(0), callback, losses], max_epochs=3, task=taught)
    assert not torch.equal(taught.net[0].weight, plain.net[0].weight)
    name = "train/distillation_loss" if kind == "logit" else "train/feature_loss"
    assert losses.rows[-1][name] < losses.rows[0][name]
    after = callback.distillation.learned.state_dict()
    assert all(not torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_resumes_exactly(fit, make_task, tmp_path, kind):
    def train(folder, kill=()):
        task = make_task(OPTIMIZERS["sgd_momentum"])
        callback, history = make_callback(task.net, kind=kind), History()
        save = ModelCheckpoint(
            tmp_path / folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )
        last = tmp_path / folder / "last.ckpt"
        fit(
            [EpochSeed(0, "distil"), callback, history, save, *kill],
            max_epochs=3,
            task=task,
            enable_checkpointing=True,
            ckpt_path=last if last.exists() else None,
        )
        return task, callback, history

    whole, callback, history = train("whole")
    for place in [(0, 1), (1, 2), (2, 0)]:
        with pytest.raises(KilledError):
            train("killed", [KillAt(*place)])
    again, other, other_history = train("killed")
    assert_equal_states(again.net.state_dict(), whole.net.state_dict())
    assert_equal_states(other.distillation.learned.state_dict(), callback.distillation.learned.state_dict())
    assert other_history.rows == history.rows


def test_an_error_in_training_restores_the_task(fit, make_task):
    task = make_task()
    callback = make_callback(task.net, kind="hint")
    with pytest.raises(KilledError):
        fit([callback, KillAt(0, 1)], max_epochs=1, task=task)
    assert task.objective == task.label_objective
    assert not any(module._forward_hooks for module in task.net.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_pruned_weights_stay_zero(prune, make_task, make_pruning, kind):
    task = make_task()
    pruning = make_pruning(net=task.net)
    watch = ZeroWatch(pruning)
    prune(pruning, [make_callback(task.net, kind=kind), watch], task=task, max_epochs=2)
    assert watch.num_updates == 6
    assert pruning.masks.hold(task.net.state_dict())
    assert pruning.masks.sparsity > 0.7


def test_the_teacher_runs_in_the_precision_of_the_student(fit, make_task):
    task, seen = make_task(), []
    teacher = make_teacher()
    teacher[-1].register_forward_hook(
        lambda _module, _inputs, output: seen.append((output.dtype, output.requires_grad))
    )
    fit([make_callback(task.net, teacher=teacher)], max_epochs=1, task=task, precision="bf16-mixed")
    assert set(seen) == {(torch.bfloat16, False)}


def test_a_teacher_with_another_normalization_gets_its_own_input():
    net = nn.Flatten()
    teacher = Teacher(net)
    ours, its = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.5)), ((0.1, 0.2, 0.3), (0.5, 0.5, 0.25))
    pixels = torch.rand(2, 3, 1, 1)
    mean, std, its_mean, its_std = (torch.tensor(values).view(1, 3, 1, 1) for values in (*ours, *its))
    teacher.renormalize(ours=ours, its=its)
    torch.testing.assert_close(teacher((pixels - mean) / std), ((pixels - its_mean) / its_std).flatten(1))
    teacher.renormalize(ours=ours, its=ours)
    assert torch.equal(teacher(pixels), pixels.flatten(1))
