"""Random state that a resumed run shares with an undisturbed one."""

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from compression.core.seeding import derive_seed


class EpochSeed(Callback):
    """Seeds the global generators (dropout draws from them) from the seed and the epoch.

    The epoch is in every checkpoint, so the random state is as well; nothing depends on earlier draws. Of several
    processes that train together each draws its own.
    """

    def __init__(self, *parts: str | int) -> None:
        self.parts = parts

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed this epoch."""
        del pl_module
        rank = (trainer.global_rank,) if trainer.global_rank else ()
        seed = derive_seed(*self.parts, "epoch", trainer.current_epoch, *rank)
        seed_everything(seed % 2**32, verbose=False)
