"""Pruning during training: steps at scheduled updates, and pruned weights kept at zero."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from compression.callbacks.step_recorder import StepRecorder
from compression.core.batch_norm import reestimate_batch_norm_
from compression.core.masks import MaskSet
from compression.pruning.criteria import Observer
from compression.pruning.evidence import Batch
from compression.pruning.strategy import Strategy
from compression.tasks.classification import network


class PruningCallback(Callback):
    """The steps of ``strategy`` in training: step k is taken before update ``step_updates[k - 1]``.

    The first ``num_batches`` of ``norm_batches`` (images augmented as in training) re-estimate batch-norm statistics
    whenever the masks change and before each validation, because weights depend on the statistics that they were
    trained with. ``batches`` are training images without augmentation, for criteria that need gradients. ``recorder``
    records the accuracy of every step. With ``rewind_to``, a state dict, every step sets the kept weights back to it
    (the lottery ticket, arXiv:1803.03635).
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        step_updates: Sequence[int],
        batches: Iterable[Batch],
        norm_batches: Iterable[Batch],
        num_batches: int,
        recorder: StepRecorder,
        rewind_to: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.strategy = strategy
        self.step_updates = step_updates
        self.batches = batches
        self.norm_batches = norm_batches
        self.num_batches = num_batches
        self.recorder = recorder
        self.rewind_to = rewind_to
        self.step = 0
        self.masks = strategy.units.dense_masks()
        # (update, sparsity by layer and of the model) of every step that pruned
        self.sparsity_steps: list[tuple[int, dict[str, float]]] = []

    def is_due(self, update: int) -> bool:
        """Return whether the next step must be taken before ``update``."""
        return self.step < len(self.step_updates) and self.step_updates[self.step] <= update

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the masks, which may come from a checkpoint, to the device of the weights."""
        del trainer
        self.masks = self.masks.to(pl_module.device)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Take all steps that are due, unless the recorder has stopped pruning."""
        del batch, batch_idx
        while self.is_due(trainer.global_step) and not self.recorder.stopped:
            self.advance(network(pl_module), update=trainer.global_step, optimizers=trainer.optimizers)
            if trainer.world_size > 1:
                self._follow_first(trainer, network(pl_module))
            if trainer.logger is not None and self.strategy.prunes_at(self.step):
                trainer.logger.log_metrics(self.sparsity_steps[-1][1], step=trainer.global_step)

    def _follow_first(self, trainer: Trainer, net: nn.Module) -> None:
        """Copy masks and weights from the first process.

        On GPUs the last bits of weights differ between processes, so their rankings could differ too.
        """
        ours = {"masks": dict(self.masks.to("cpu")), "weights": {k: v.cpu() for k, v in net.state_dict().items()}}
        firsts = trainer.strategy.broadcast(ours)
        device = next(iter(self.masks.values())).device
        self.masks = MaskSet(firsts["masks"]).to(device)
        net.load_state_dict(firsts["weights"])
        for optimizer in trainer.optimizers:
            self.masks.mask_optimizer_state_(net, optimizer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the recovery of a step if the next one is due, and stop training if the recorder says so."""
        # A step that only moves weights belongs to the pruning step before it.
        if self.is_due(trainer.global_step) and self.strategy.prunes_at(self.step + 1):
            self.recorder.finish_step(network(pl_module), self.masks)
            trainer.should_stop = trainer.should_stop or self.recorder.stopped

    def advance(self, net: nn.Module, *, update: int, optimizers: Sequence[torch.optim.Optimizer] = ()) -> None:
        """Take the next step: compute new masks, mask weights and optimizer state, re-estimate batch norm.

        ``update`` is the number of the current optimizer update. Also rewinds the weights if ``rewind_to`` is set.
        """
        pruning = self.strategy.prunes_at(self.step + 1)
        if pruning and self.recorder.unfinished:
            self._refresh(net)
            self.recorder.finish_step(net, self.masks)
        self.step += 1
        self.masks = self.strategy.masks_at(self.step, net, masks=self.masks, batches=self.batches)
        self.masks.mask_weights_(net)
        self._refresh(net)
        # Moved weights are a different model, so the best weights restart, but they are not a step of the history.
        self.recorder.begin_step(net, self.masks, step=self.step, update=update, pruning=pruning)
        if pruning:
            self.sparsity_steps.append((update, _name(self.masks)))
        if self.rewind_to is not None:
            net.load_state_dict(self.rewind_to)
            self.masks.mask_weights_(net)
        for optimizer in optimizers:
            if self.rewind_to is not None:
                optimizer.state.clear()
            self.masks.mask_optimizer_state_(net, optimizer)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Set the gradients of pruned weights to zero, and let an observing criterion see the others."""
        del trainer, optimizer
        self.masks.mask_gradients_(network(pl_module))
        if isinstance(self.strategy.criterion, Observer):
            parameters = dict(network(pl_module).named_parameters())
            self.strategy.criterion.observe({name: parameters[name] for name in self.masks.weight_names})

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Re-estimate batch-norm statistics, so that validation uses ones that fit the current weights."""
        del trainer
        self._refresh(network(pl_module))

    def _refresh(self, net: nn.Module) -> None:
        reestimate_batch_norm_(net, self.norm_batches, self.num_batches)

    def state_dict(self) -> dict[str, Any]:
        """Return the masks, the position in the schedule, and the observations of the criterion."""
        criterion = self.strategy.criterion
        return {
            "step": self.step,
            "masks": dict(self.masks),
            "sparsity_steps": self.sparsity_steps,
            "criterion": criterion.state_dict() if isinstance(criterion, Observer) else {},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore everything that ``state_dict`` returned."""
        self.step, self.sparsity_steps = state_dict["step"], state_dict["sparsity_steps"]
        self.masks = MaskSet(state_dict["masks"])
        if isinstance(self.strategy.criterion, Observer):
            self.strategy.criterion.load_state_dict(state_dict["criterion"])


def _name(masks: MaskSet) -> dict[str, float]:
    return {f"sparsity/{name}": value for name, value in masks.layer_sparsity.items()} | {"sparsity": masks.sparsity}
