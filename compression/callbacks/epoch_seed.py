"""Seeds per epoch, so that a resumed run has the same random state as an uninterrupted one."""

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from compression.core.seeding import derive_seed


class EpochSeed(Callback):
    """A new seed of the global generators at every epoch, derived from ``parts`` and the epoch.

    Dropout draws from these generators. Every checkpoint contains the epoch, so a resumed run restores the random
    state, whatever was drawn before. Processes that train together have different seeds.
    """

    def __init__(self, *parts: str | int) -> None:
        self.parts = parts

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed the global generators for this epoch."""
        del pl_module
        rank = (trainer.global_rank,) if trainer.global_rank else ()
        seed = derive_seed(*self.parts, "epoch", trainer.current_epoch, *rank)
        seed_everything(seed % 2**32, verbose=False)
