"""What every stage of a run shares: configuration, data, device, store."""

import copy
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compression.config.schema import Config
from compression.core.seeding import derive_seed
from compression.data.base import Dataset, ImageData
from compression.data.batch_size import find_batch_size
from compression.data.batches import Batches
from compression.models.registry import build_model
from compression.run.training.ddp import local_rank
from compression.stage_store.store import Store

log = logging.getLogger(__name__)

# Where the images lie and how they reach the device changes nothing that is computed from them.
_NOT_IN_DATA_IDENTITY = (
    "root",
    "num_workers",
    "resident",
    "resident_limit_mib",
    "class_groups",
    "stem",
    "batch_size",
)


@dataclass(frozen=True)
class Context:
    """One run's configuration, resolved for this machine."""

    config: Config
    dataset: Dataset
    store: Store
    run_dir: Path
    device: torch.device
    precision: str
    threads: int
    # The run this one shares data with: it differs in the architecture alone.
    base: "Context | None" = None

    def with_model(self, model: Mapping[str, Any]) -> "Context":
        """Return this run with the architecture of ``model``, settings as in ``conf/model``, on the same data."""
        config = copy.copy(self.config)
        config.model = dict(model)
        return replace(self, config=config, base=self.dense)

    @property
    def dense(self) -> "Context":
        """This run with the architecture of the dense model."""
        return self.base or self

    @cached_property
    def student(self) -> "Context":
        """This run with the architecture that is compressed: that of ``distillation.student``, if there is one."""
        settings = self.config.distillation.student
        return self.with_model(settings) if settings and self.base is None else self

    @cached_property
    def fingerprint(self) -> str:
        """Return the digest of the dataset's files."""
        if self.base is not None:
            return self.base.fingerprint
        return self.dataset.fingerprint()

    @cached_property
    def data(self) -> ImageData:
        """Return the images; read when a stage first needs them."""
        if self.base is not None:
            return self.base.data
        data = self.dataset.load(self.config.seed, cache_dir=self.store.root / "data")
        for warning in data.warnings:
            log.warning("data  %s", warning)
        return data

    @property
    def num_classes(self) -> int:
        """How many classes the classifier's head has."""
        return len(self.dataset.class_names)

    @property
    def architecture(self) -> dict[str, Any]:
        """What rebuilds the network: target, keyword arguments, number of classes."""
        kwargs = {key: value for key, value in self.config.model.items() if key not in ("_target_", "weights")}
        return {"target": self.config.model["_target_"], "kwargs": kwargs, "num_classes": self.num_classes}

    @property
    def allowed_imports(self) -> tuple[str, ...]:
        """The user's own modules, which naming them in the configuration allows."""
        named = (self.dense.config.model, self.config.distillation.student or self.config.model)
        return tuple(dict.fromkeys(settings["_target_"].split(".")[0] for settings in named))

    def build_model(self, *, pretrained: bool = True) -> nn.Module:
        """Return a new network with seeded initial weights, or the pretrained ones the configuration asks for."""
        architecture = self.architecture
        kwargs = architecture["kwargs"]
        if not pretrained and "pretrained" in kwargs:
            kwargs = kwargs | {"pretrained": False}
        torch.manual_seed(derive_seed(self.config.seed, "init"))
        return build_model(
            architecture["target"], num_classes=self.num_classes, kwargs=kwargs, allow=self.allowed_imports
        )

    @cached_property
    def batch_size(self) -> int:
        """The training batch, found by trial for ``data.batch_size=auto``."""
        if self.base is not None:
            return self.base.batch_size
        wanted = self.dataset.batch_size
        if wanted != "auto":
            return int(wanted)
        # On the device first, so that the trial finds the memory training will find.
        for part in (self.data.train, self.data.val):
            part.to(self.device)
        found = find_batch_size(
            self.build_model(pretrained=False),
            image_size=self.dataset.image_size,
            num_classes=self.num_classes,
            device=self.device,
            num_images=len(self.data.train),
        )
        log.info("data  batch size %d", found)
        return found

    @property
    def devices(self) -> int:
        """In how many processes networks in float are trained."""
        return self.config.trainer.devices

    def train_batches(self, *, devices: int = 1) -> Batches:
        """Return shuffled, augmented training batches; of ``devices`` processes this one's share of each."""
        return self._batches("train", shuffle=True, augment=True, num_shares=devices)

    def plain_train_batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Return training batches as they are, in one shuffled order: for gradients and ranges of activations."""
        return self._batches("train", shuffle=True, augment=False)

    def val_batches(self) -> Batches:
        """Return the held-out training images in order."""
        return self._batches("val", shuffle=False, augment=False)

    def test_batches(self) -> Batches:
        """Return the test images in order."""
        return self._batches("test", shuffle=False, augment=False)

    def _batches(self, part: str, *, shuffle: bool, augment: bool, num_shares: int = 1) -> Batches:
        return Batches(
            split=getattr(self.data, part),
            mean=self.data.mean,
            std=self.data.std,
            batch_size=self.batch_size,
            device=self.device,
            augment=self.dataset.augment if augment else None,
            shuffle=shuffle,
            seed=derive_seed(self.config.seed, part),
            num_workers=self.dataset.num_workers,
            num_shares=num_shares,
            share=local_rank() if num_shares > 1 else 0,
        )

    @cached_property
    def data_identity(self) -> dict[str, Any]:
        """What of the data bears on results: the files' content, and how they are split and augmented."""
        kept = {key: value for key, value in self.config.data.items() if key not in _NOT_IN_DATA_IDENTITY}
        return kept | {"batch_size": self.batch_size, "fingerprint": self.fingerprint}

    @cached_property
    def arithmetic_identity(self) -> dict[str, Any]:
        """What changes the last bits of training: precision, threads, kind of device, torch."""
        deterministic = self.config.trainer.deterministic
        return {
            "precision": self.precision,
            "threads": self.threads,
            "device": self.device.type,
            "deterministic": deterministic,
            "torch": torch.__version__,
            **({"devices": self.devices} if self.devices > 1 else {}),
        }
