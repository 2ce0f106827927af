"""The training of one stage with Lightning; it can be killed and resumed."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from torch import Tensor

from compression.callbacks.best_weights import BestWeights
from compression.callbacks.curve_replay import CurveReplay
from compression.callbacks.epoch_history import History
from compression.callbacks.epoch_seed import EpochSeed
from compression.callbacks.exact_forms import ExactForms
from compression.callbacks.line_progress import LineProgress
from compression.callbacks.resume_notice import ResumeNotice
from compression.callbacks.terminal_progress import TerminalProgress
from compression.callbacks.turn_taking import TakesTurns
from compression.core.class_scores import Validated
from compression.core.finite import refuse_diverged
from compression.run.context import Context
from compression.run.ranks import is_helper
from compression.run.training.checkpoint_io import AtomicCheckpointIO
from compression.run.training.ddp import ddp_settings, helpers_join, wait_for_helpers
from compression.stage_store.store import RESUME, make_room_advice
from compression.system.disk import check_room
from compression.system.turns import join_queue
from compression.tasks.classification import Classification


class TrainingJoined(Exception):
    """The end, in a helper process, of the training that it joined. The helper has nothing else to do."""


_LAST = "last"
# A checkpoint holds weights, momentum and best weights. A stage also writes its own files and its logger's files.
# With less free space, the training would fill the disk.
_COPIES, _MARGIN_BYTES = 3, 16 << 20


@dataclass(frozen=True)
class Fitted:
    """The best weights by the monitored score, a row per epoch, and the seconds of earlier, killed attempts."""

    weights: dict[str, Tensor]
    validated: Validated
    best_epoch: int
    rows: list[dict[str, float | int]]
    earlier_seconds: float


def fit(
    context: Context,
    stage: str,
    folder: Path,
    task: Classification,
    *,
    num_epochs: int,
    callbacks: Sequence[Callback] = (),
    best: BestWeights | None = None,
    arithmetic: str = "",
    devices: int = 1,
) -> Fitted:
    """Train ``task`` for ``num_epochs`` and return the result; continue from the checkpoint in ``folder`` if any.

    ``arithmetic`` is printed after every accuracy during training. With several ``devices``, each process trains on
    its share of every batch. Raises ``InputError`` if the disk has too little room or no epoch has finite weights, and
    ``TrainingJoined`` at the end of the training in a helper process.
    """
    history, best = History(), best or BestWeights(context.monitor)
    _check_room(context, stage, task)
    if not is_helper():
        # Curves that a killed attempt logged may lack points. Those of the checkpoint are logged again.
        context.log.restart(stage)
    logger = context.log.open(stage)
    device = context.machine.device
    before, after = _own_callbacks(context, stage, folder, history=history, arithmetic=arithmetic)
    trainer = make_trainer(
        context,
        max_epochs=num_epochs,
        logger=logger,
        callbacks=[*before, *callbacks, best, *after],
        gradient_clip_val=context.config.training.gradient_clip,
        **(ddp_settings(device, devices, has_idle=bool(context.traits.idle)) if devices > 1 else {}),
    )
    checkpoint = folder / RESUME / f"{_LAST}.ckpt"
    resume_from = str(checkpoint) if checkpoint.exists() else None
    train, val = context.data.train_batches(devices=devices), context.data.val_batches()
    with helpers_join(folder, threads=context.machine.threads) if devices > 1 else nullcontext():
        trainer.fit(task, train, val, ckpt_path=resume_from, weights_only=True)
    logger.finalize("success")
    if is_helper():
        raise TrainingJoined
    if devices > 1:
        wait_for_helpers(trainer)
    if best.diverged:
        refuse_diverged(stage)
    return Fitted(best.weights, best.validated, best.epoch + 1, history.rows, history.earlier_seconds)


def _own_callbacks(
    context: Context, stage: str, folder: Path, *, history: History, arithmetic: str
) -> tuple[list[Callback], list[Callback]]:
    """Return the callbacks of every training: those that run before the stage's callbacks, and those after them."""
    progress: Callback = (
        TerminalProgress(arithmetic=arithmetic)
        if sys.stdout.isatty() and not is_helper()
        else LineProgress(stage, arithmetic=arithmetic, monitor=context.monitor)
    )
    # Lightning runs checkpoint callbacks last, so a checkpoint holds this epoch's history and best weights.
    save_last = ModelCheckpoint(
        folder / RESUME,
        filename=_LAST,
        every_n_epochs=1,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    # Measured for float32 on CPUs only.
    measured = context.machine.device.type == "cpu" and context.machine.precision == "32-true"
    forms = [ExactForms(context.example())] if measured else []
    before = [EpochSeed(context.config.seed, stage), *forms]
    return before, [history, CurveReplay(history), ResumeNotice(stage), progress, save_last]


def _check_room(context: Context, stage: str, task: Classification) -> None:
    model_bytes = sum(value.nbytes for value in task.state_dict().values())
    check_room(
        context.store.root,
        needed=_COPIES * model_bytes + _MARGIN_BYTES,
        what=f"stage {stage}",
        advice=f"finished work is kept; make room, e.g. {make_room_advice(context.store.root)}",
    )


def make_trainer(context: Context, *, callbacks: Iterable[Callback] = (), **settings: Any) -> Trainer:
    """Return a Trainer on the run's device. Only our callbacks print during its training."""
    deterministic = context.config.trainer.deterministic
    # By default, deterministic PyTorch also fills all new memory with NaN before a kernel writes to it. No result
    # depends on that, and it takes up to an eighth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Processes that train together wait for each other in every batch, so they cannot take turns.
    alone = context.machine.device.type == "cpu" and settings.get("devices", 1) == 1
    turns = join_queue(threads=context.machine.threads) if alone else None
    return Trainer(
        accelerator=context.machine.device.type if context.machine.device.type != "cuda" else "gpu",
        # Some CUDA kernels have no deterministic form, so a GPU only warns. Only the CPU repeats results exactly.
        deterministic="warn" if deterministic and context.machine.device.type != "cpu" else deterministic,
        callbacks=[*callbacks, *([TakesTurns(turns)] if turns else [])],
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(callback, RichProgressBar) for callback in callbacks),
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        default_root_dir=context.run_dir,
        plugins=[AtomicCheckpointIO()],
        **{"devices": 1, "precision": context.machine.precision, **settings},
    )
