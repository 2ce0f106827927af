"""Smaller images in the first epochs of a training, which take less time."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import interpolate

from compression.tasks.classification import Classification

# The fraction of the epochs after which images have their full size, and the step in pixels, as in MosaicML Composer.
GROWING, STEP = 0.8, 4


def size_of_epoch(full: int, *, epoch: int, num_epochs: int, first: float) -> int:
    """Return the pixels of one side in ``epoch`` (from 0): ``first * full`` at first, ``full`` from 80 % of the epochs.

    The size grows evenly and is a multiple of 4, unless it is ``full``. The last epoch always has full images.
    """
    growing = min(GROWING * num_epochs, num_epochs - 1)
    done = min(1.0, epoch / growing) if growing else 1.0
    if done == 1.0:
        return full
    wanted = full * (first + (1.0 - first) * done)
    return min(full, max(STEP, STEP * round(wanted / STEP)))


def list_sizes(full: int, *, num_epochs: int, first: float) -> list[int]:
    """Return the different sizes of all epochs, smallest first."""
    return sorted({size_of_epoch(full, epoch=epoch, num_epochs=num_epochs, first=first) for epoch in range(num_epochs)})


class ProgressiveSize(Callback):
    """Training images are made smaller in the first epochs, and validation images never are.

    ``first`` in (0, 1) is the fraction of height and width at first. The size depends on the epoch alone, so a resumed
    training goes on as an uninterrupted one. Source: progressive resizing, as in arXiv:2104.00298.
    """

    def __init__(self, first: float) -> None:
        self.first = first

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let this epoch's images have their size."""
        assert isinstance(pl_module, Classification)
        assert trainer.max_epochs is not None
        epoch, num_epochs = trainer.current_epoch, trainer.max_epochs

        def shrink(images: Tensor) -> Tensor:
            height, width = images.shape[-2:]
            size = [
                size_of_epoch(side, epoch=epoch, num_epochs=num_epochs, first=self.first) for side in (height, width)
            ]
            if size == [height, width]:
                return images
            return interpolate(images, size, mode="bilinear", antialias=True)

        pl_module.resize = shrink

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave images as they are, for the stages that follow."""
        del trainer
        assert isinstance(pl_module, Classification)
        pl_module.resize = None
