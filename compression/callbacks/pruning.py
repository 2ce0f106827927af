"""When weights are pruned: between epochs; and that they stay pruned: at every optimizer step."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.core.batch_norm import reestimate_batch_norm_
from compression.core.masks import MaskSet, dense_masks
from compression.core.selection import prunable_weights
from compression.pruning.strategy import Strategy
from compression.tasks.classification import network


class PruningCallback(Callback):
    """Advances ``strategy`` by a step every ``epochs_per_step`` epochs, starting before the first.

    The first ``num_batches`` of ``batches``, training images, re-estimate batch-norm statistics whenever the masks
    change and before each validation.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        epochs_per_step: int,
        batches: Iterable[tuple[Tensor, Tensor]],
        num_batches: int,
    ) -> None:
        self.strategy = strategy
        self.epochs_per_step = epochs_per_step
        self.batches = batches
        self.num_batches = num_batches
        self.step = 0
        self.masks: MaskSet | None = None
        # (update, sparsity in all and by layer) of every step taken
        self.sparsity_steps: list[tuple[int, dict[str, float]]] = []

    @property
    def at_target(self) -> bool:
        """Whether the last pruning step is done."""
        return self.step == self.strategy.num_steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin dense, or take up the masks of a checkpoint."""
        del trainer
        masks = self.masks or dense_masks(prunable_weights(network(pl_module)))
        self.masks = masks.to(pl_module.device)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prune, where this epoch begins a step."""
        if trainer.current_epoch % self.epochs_per_step == 0 and not self.at_target:
            self.advance(trainer, pl_module)

    def advance(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the next pruning step: new masks, masked weights and optimizer state, fresh batch norm."""
        assert self.masks is not None
        self.step += 1
        self.masks = self.strategy.masks_at(self.step, prunable_weights(network(pl_module)), self.masks)
        self.masks.mask_weights_(network(pl_module))
        for optimizer in trainer.optimizers:
            self.masks.mask_optimizer_state_(network(pl_module), optimizer)
        reestimate_batch_norm_(network(pl_module), self.batches, self.num_batches)
        sparsity = {f"sparsity/{name}": value for name, value in self.masks.layer_sparsity.items()}
        sparsity["sparsity"] = self.masks.sparsity
        self.sparsity_steps.append((trainer.global_step, sparsity))
        if trainer.logger is not None:
            trainer.logger.log_metrics(sparsity, step=trainer.global_step)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Keep pruned weights at zero through the step."""
        del trainer, optimizer
        assert self.masks is not None
        self.masks.mask_gradients_(network(pl_module))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate with statistics that fit the weights as they are."""
        del trainer
        reestimate_batch_norm_(network(pl_module), self.batches, self.num_batches)

    def state_dict(self) -> dict[str, Any]:
        """Return the masks and the position in the schedule."""
        return {"step": self.step, "masks": dict(self.masks or {}), "sparsity_steps": self.sparsity_steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up masks and position."""
        self.step, self.sparsity_steps = state_dict["step"], state_dict["sparsity_steps"]
        self.masks = MaskSet(state_dict["masks"])
