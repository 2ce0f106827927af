"""Lightning calls ``set_epoch`` of our batches, in a first run and in a resumed run."""

import lightning
import pytest
import torch
from torch import nn

from compression.data.augment import Augment
from compression.data.base import Split
from compression.data.batches import Batches


class Recorder(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 16, 2)
        self.seen = {}

    def training_step(self, batch, batch_idx):  # noqa: ARG002
        images, labels = batch
        self.seen.setdefault(self.current_epoch, []).append((images.clone(), labels.clone()))
        return self.layer(images.flatten(1)).sum() * 0.0

    def validation_step(self, batch, batch_idx):  # noqa: ARG002
        assert batch[1].tolist() == sorted(batch[1].tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def make_batches(**options):
    images = torch.arange(12 * 48, dtype=torch.int64).remainder(256).to(torch.uint8).view(12, 3, 4, 4)
    split = Split(images, torch.arange(12))
    return Batches(split=split, mean=(0, 0, 0), std=(1, 1, 1), batch_size=5, device="cpu", **options)


def fit(tmp_path, epochs, checkpoint=None):
    module = Recorder()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    train = make_batches(shuffle=True, augment=Augment(1, True))
    trainer.fit(module, train, make_batches(), ckpt_path=checkpoint)
    return module, trainer


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_resumed_run_sees_the_same_batches(tmp_path):
    whole, _ = fit(tmp_path, 4)
    assert [len(batches) for batches in whole.seen.values()] == [3] * 4
    orders = {tuple(torch.cat([labels for _, labels in whole.seen[e]]).tolist()) for e in range(4)}
    assert len(orders) == 4
    _, trainer = fit(tmp_path, 2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    rest, _ = fit(tmp_path, 4, tmp_path / "half.ckpt")
    assert sorted(rest.seen) == [2, 3]
    for epoch in (2, 3):
        for one, other in zip(whole.seen[epoch], rest.seen[epoch], strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])
