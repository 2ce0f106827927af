"""The state that the stages of a run share: configuration, data, machine, store, and the networks they build."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compression.config.make_part import make_part
from compression.config.schema import Config
from compression.config.sweep_environment import SweepEnvironment
from compression.core.seeding import derive_seed
from compression.core.sizes import parse_size
from compression.data.base import Dataset
from compression.data.options import DEFAULTS_OF_OTHERS
from compression.models.network_traits import NetworkTraits, find_traits
from compression.models.registry import build_model, is_own_family
from compression.reporting.provenance import describe_making
from compression.run.check_memory import CheckMemory
from compression.run.code_identity import user_code
from compression.run.job_log.job_log import JobLog
from compression.run.job_log.make_log import make_log
from compression.run.machine import Machine, find_machine
from compression.run.run_data import RunData
from compression.stage_store.store import Store
from compression.system.freed_memory import keep_freed_memory


@dataclass(frozen=True)
class Context:
    """One run's configuration, resolved for this machine.

    ``store`` decides what obtaining a stage means: find or make it (``Store``), say what would be made
    (``PlanningStore``), or help in its training (``JoiningStore``). ``log`` has the curves of stages and the result.
    """

    config: Config
    data: RunData
    machine: Machine
    store: Store
    run_dir: Path
    log: JobLog
    # Set in a student's context only: the context of the dense model.
    teacher: "Context | None" = None

    def with_model(self, model: Mapping[str, Any]) -> "Context":
        """Return this run with the architecture of ``model`` (settings as in ``conf/model``), on the same data."""
        config = copy.copy(self.config)
        config.model = dict(model)
        return replace(self, config=config, teacher=self.dense)

    @property
    def dense(self) -> "Context":
        """This run with the architecture of the dense model."""
        return self.teacher or self

    @cached_property
    def student(self) -> "Context":
        """This run with the architecture that is compressed: ``distillation.student`` if given, else the dense one."""
        settings = self.config.distillation.student
        return self.with_model(settings) if settings and self.teacher is None else self

    @property
    def monitor(self) -> str:
        """The score that epochs and models are chosen by: accuracy, balanced_accuracy or macro_f1."""
        return self.data.monitor

    @property
    def has_student(self) -> bool:
        """Whether the compressed network has another architecture than the dense one."""
        return self.student is not self.dense

    @property
    def architecture(self) -> dict[str, Any]:
        """The description that rebuilds the network: target, keyword arguments, number of classes.

        Grey images add ``in_channels``. Three channels are the default of every model, so they add nothing.
        """
        kwargs = {key: value for key, value in self.config.model.items() if key not in ("_target_", "weights")}
        if self.data.channels != 3:
            kwargs["in_channels"] = self.data.channels
        return {"target": self.config.model["_target_"], "kwargs": kwargs, "num_classes": self.data.num_classes}

    @property
    def network_identity(self) -> dict[str, Any]:
        """Everything that decides how the untrained network runs: architecture, code, and size of the images."""
        return {
            "architecture": self.architecture,
            "code": user_code(self.config.model),
            "image_size": self.data.image_size,
        }

    @property
    def allowed_imports(self) -> tuple[str, ...]:
        """Packages of the user's own models. Naming one in the configuration allows its import."""
        named = (self.dense.config.model, self.config.distillation.student or self.config.model)
        return tuple(dict.fromkeys(settings["_target_"].split(".")[0] for settings in named))

    def build_model(self, *, pretrained: bool = True) -> nn.Module:
        """Return a new network with seeded initial weights, or with pretrained ones if the configuration says so."""
        traits = self.traits
        torch.manual_seed(derive_seed(self.config.seed, "init"))
        model = self._build(pretrained=pretrained)
        traits.apply_(model)
        return model

    @cached_property
    def traits(self) -> NetworkTraits:
        """The traits of the network, which a first run of it shows; families of this package have none."""
        if is_own_family(self.architecture["target"]):
            return NetworkTraits()
        memory = CheckMemory("traits", self.network_identity)
        known = memory.recall()
        if known is not None:
            return NetworkTraits(bool(known["contiguous"]), tuple(known["idle"]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            found = find_traits(self._build(pretrained=False), self.example())
        memory.remember(found.to_json())
        return found

    def _build(self, *, pretrained: bool) -> nn.Module:
        architecture = self.architecture
        kwargs = architecture["kwargs"]
        if not pretrained and "pretrained" in kwargs:
            kwargs = kwargs | {"pretrained": False}
        return build_model(
            architecture["target"],
            num_classes=self.data.num_classes,
            kwargs=kwargs,
            allow=self.allowed_imports,
            example=self.example(),
        )

    def example(self, device: torch.device | None = None) -> torch.Tensor:
        """Return two black images, ``[2, C, H, W]``: enough to run a network once."""
        size = self.data.image_size
        return torch.zeros(2, self.data.channels, size, size, device=device)


def make_dataset(config: Config) -> Dataset:
    """Return the dataset of a run. No image is read yet."""
    settings = {key: value for key, value in config.data.items() if key not in DEFAULTS_OF_OTHERS}
    dataset: Dataset = make_part(settings, Dataset, key="data", _convert_="all")
    return dataset


def make_context(config: Config, run_dir: Path, dataset: Dataset | None = None) -> Context:
    """Return the context of a run; raises ``InputError`` if this machine cannot run it as configured.

    Runs that share ``dataset`` list its files once.
    """
    machine = find_machine(config)
    torch.set_num_threads(machine.threads)
    keep_freed_memory()
    store = _make_store(config, run_dir)
    data = RunData(
        dataset=make_dataset(config) if dataset is None else dataset,
        settings=config.data,
        seed=config.seed,
        device=machine.device,
        cache_dir=store.root / "data",
        wanted_monitor=config.training.monitor,
        build_probe=lambda: context.build_model(pretrained=False),
    )
    log = make_log(config, run_dir)
    context = Context(config=config, data=data, machine=machine, store=store, run_dir=run_dir, log=log)
    return context


def _make_store(config: Config, run_dir: Path) -> Store:
    limit = config.store_max_bytes
    return Store(
        Path(config.output_dir) / "store",
        invocation=SweepEnvironment.read().invocation or f"process {os.getpid()}",
        overwrite=config.overwrite,
        made_with=describe_making(),
        max_bytes=None if limit is None else parse_size(limit, key="store_max_bytes"),
        run_dir=run_dir,
    )
