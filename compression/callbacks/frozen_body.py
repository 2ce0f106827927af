"""A pretrained body that stays as it is while a new head is trained on it."""

from collections.abc import Collection

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from compression.tasks.classification import network


class FrozenBody(Callback):
    """All parameters but those in ``head`` are frozen for the first ``num_epochs`` epochs, and trained afterwards.

    Frozen parameters get no gradient, so neither the optimizer nor weight decay changes them. Batch norms of the body
    use and keep their running statistics meanwhile. The state depends on the epoch alone, so a resumed training goes
    on as an uninterrupted one.
    """

    def __init__(self, num_epochs: int, *, head: Collection[str]) -> None:
        self.num_epochs = num_epochs
        self.head = frozenset(head)
        self._learning: list[nn.Parameter] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note which parameters of the body learn; a network may keep others fixed."""
        del trainer
        named = network(pl_module).named_parameters()
        self._learning = [one for name, one in named if name not in self.head and one.requires_grad]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze the body, or let it learn from epoch ``num_epochs`` (counted from 0) on."""
        learns = trainer.current_epoch >= self.num_epochs
        net = network(pl_module)
        for parameter in self._learning:
            parameter.requires_grad_(learns)
        for name, module in net.named_modules():
            if isinstance(module, _BatchNorm) and not any(one.rpartition(".")[0] == name for one in self.head):
                module.train(learns)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the body learn again, for the stages that follow."""
        del trainer, pl_module
        for parameter in self._learning:
            parameter.requires_grad_(True)
