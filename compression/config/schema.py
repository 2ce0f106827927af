"""Typed schema of the configuration; ranges and contradictions are refused before anything is trained."""

import math
import re
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from compression.config.distillation_schema import DistillationConfig
from compression.config.quantization_schema import FULL_PRECISION, QuantizationConfig
from compression.config.require import require
from compression.core.errors import InputError
from compression.core.sizes import ALLOWED as SIZES
from compression.core.sizes import parse_size
from compression.runtimes.engines import check_engine
from compression.system.extras import require_packages

STAGES = ("dense", "distil", "prune", "compact", "finetune", "quantize", "export", "evaluate")
TARGETS = ("weights", "channels", "params", "macs")
STARTS = ("dense", "initial", "early")
REWINDS = ("none", "initial", "early")
ENDS = ("first", "last")
SPARSITY_DIGITS = 9


@dataclass
class TrainingConfig:
    """Dense training: optimizer, its cosine schedule, and the loss."""

    epochs: int = MISSING
    optimizer: Any = MISSING
    min_lr: float = MISSING
    warmup: float = 0.0
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    early_epoch: int = 1

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "training.epochs", self.epochs, "an integer >= 1")
        require(
            isinstance(self.optimizer, dict), "training.optimizer", self.optimizer, "a mapping with _target_ and lr"
        )
        lr = self.optimizer.get("lr")
        require(isinstance(lr, (int, float)) and lr > 0, "training.optimizer.lr", lr, "a number > 0")
        require(0 <= self.min_lr <= lr, "training.min_lr", self.min_lr, f"in [0, training.optimizer.lr={lr}]")
        require(0 <= self.warmup < 1, "training.warmup", self.warmup, "a fraction of all updates, in [0, 1)")
        require(0 <= self.label_smoothing < 1, "training.label_smoothing", self.label_smoothing, "in [0, 1)")
        clip = self.gradient_clip
        require(clip is None or clip > 0, "training.gradient_clip", clip, "> 0, or null for none")
        early = self.early_epoch
        require(1 <= early <= self.epochs, "training.early_epoch", early, f"in [1, training.epochs={self.epochs}]")


@dataclass
class RecoveryConfig:
    """Training after each pruning step, or with ``spread`` one training in which the steps fall."""

    epochs: int | None = 1
    min_updates: int = 100
    lr_factor: float = 0.5
    warmup: float = 0.0
    lead_epochs: int = 0
    spread: float | None = None
    rewind: str = "none"
    batch_norm_batches: int = 10
    batch_norm_l1: float = 0.0

    def __post_init__(self) -> None:
        epochs = self.epochs
        require(
            epochs is None or epochs >= 0,
            "strategy.recovery.epochs",
            epochs,
            "an integer >= 0, or null for as many as dense training",
        )
        require(0 <= self.warmup < 1, "strategy.recovery.warmup", self.warmup, "a fraction of each training, in [0, 1)")
        require(self.lead_epochs >= 0, "strategy.recovery.lead_epochs", self.lead_epochs, "an integer >= 0")
        spread = self.spread
        require(
            spread is None or 0 <= spread < 1,
            "strategy.recovery.spread",
            spread,
            "a fraction of the training, in [0, 1), or null for a training after each step",
        )
        require(self.rewind in REWINDS, "strategy.recovery.rewind", self.rewind, f"one of {', '.join(REWINDS)}")
        require(self.batch_norm_l1 >= 0, "strategy.recovery.batch_norm_l1", self.batch_norm_l1, "a number >= 0")
        require(self.min_updates >= 0, "strategy.recovery.min_updates", self.min_updates, "an integer >= 0")
        require(0 < self.lr_factor <= 1, "strategy.recovery.lr_factor", self.lr_factor, "in (0, 1]")
        require(
            self.batch_norm_batches >= 0,
            "strategy.recovery.batch_norm_batches",
            self.batch_norm_batches,
            "an integer >= 0",
        )


@dataclass
class FinetuneConfig:
    """Training of the compacted network as an ordinary one."""

    epochs: int = 0
    lr_factor: float = 0.1

    def __post_init__(self) -> None:
        require(self.epochs >= 0, "strategy.finetune.epochs", self.epochs, "an integer >= 0; 0 is off")
        require(0 < self.lr_factor <= 1, "strategy.finetune.lr_factor", self.lr_factor, "in (0, 1]")


@dataclass
class StrategyConfig:
    """A named recipe: criterion x granularity x allocation x schedule x recovery."""

    name: str = MISSING
    sparsity: float = MISSING
    fixed_sparsity: float | None = None
    target: str = "weights"
    start: str = "dense"
    protect: list[str] = field(default_factory=list)
    max_accuracy_drop: float | None = None
    # Empty rather than null, so that setting a part of `strategy=none` is told as an unknown key.
    criterion: Any = field(default_factory=dict)
    granularity: Any = field(default_factory=dict)
    allocation: Any = field(default_factory=dict)
    schedule: Any = field(default_factory=dict)
    regrowth: Any = field(default_factory=dict)
    recovery: RecoveryConfig = field(default_factory=RecoveryConfig)
    compact: bool = True
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)

    def __post_init__(self) -> None:
        require(0 <= self.sparsity < 1, "strategy.sparsity", self.sparsity, "in [0, 1)")
        self.refuse_other_sparsity("strategy.sparsity", self.sparsity)
        require(self.target in TARGETS, "strategy.target", self.target, f"one of {', '.join(TARGETS)}")
        require(self.start in STARTS, "strategy.start", self.start, f"one of {', '.join(STARTS)}")
        for end in self.protect:
            require(end in ENDS, "strategy.protect", end, f"among {', '.join(ENDS)}")
        self._check_parts()
        self._check_accuracy_drop()
        if self.finetune.epochs and (self.target == "weights" or not self.compact):
            raise InputError(
                f"strategy.finetune.epochs={self.finetune.epochs} contradicts strategy={self.name}: it trains the "
                "network whose channels were removed, and would bring single weights back; use strategy.recovery.epochs"
            )

    def _check_parts(self) -> None:
        parts = ("criterion", "granularity", "allocation", "schedule")
        missing = [part for part in parts if not getattr(self, part)]
        if missing and len(missing) < len(parts):
            raise InputError(f"strategy={self.name}: {', '.join(missing)} not set; must have {', '.join(parts)}")
        if self.regrowth and self.target != "weights":
            raise InputError(f"strategy.regrowth contradicts strategy.target={self.target}: only weights can regrow")
        if self.recovery.epochs == 0 and (self.recovery.rewind != "none" or self.regrowth):
            raise InputError(
                f"strategy.recovery.epochs=0 contradicts strategy={self.name}, which must train: give more"
            )
        if self.recovery.rewind != "none" and (self.regrowth or self.recovery.spread is not None):
            raise InputError(
                f"strategy.recovery.rewind={self.recovery.rewind} needs a training after each step: must be none with "
                "strategy.regrowth or strategy.recovery.spread"
            )

    def _check_accuracy_drop(self) -> None:
        drop = self.max_accuracy_drop
        if drop is None:
            return
        require(drop >= 0, "strategy.max_accuracy_drop", drop, "a number of points >= 0, or null")
        if self.recovery.spread is not None or self.recovery.epochs == 0:
            raise InputError(
                f"strategy.max_accuracy_drop={drop} needs a training after each step: must be null with "
                "strategy.recovery.spread or strategy.recovery.epochs=0"
            )

    def refuse_other_sparsity(self, key: str, sparsity: float) -> None:
        """Raise ``InputError`` if this recipe cannot have ``sparsity``, which ``key`` asks for."""
        fixed = self.fixed_sparsity
        if fixed is not None and not math.isclose(sparsity, fixed):
            raise InputError(
                f"{key}={sparsity} contradicts strategy={self.name}, whose sparsity is always {fixed}: "
                f"leave {key} out, or choose another strategy"
            )
        if self.prunes and sparsity == 0:
            raise InputError(f"{key}=0 contradicts strategy={self.name}: must be above 0, or use strategy=none")

    @property
    def prunes(self) -> bool:
        """Whether there is anything to prune with."""
        return bool(self.criterion)

    @property
    def compacts(self) -> bool:
        """Whether masked channels are removed after pruning."""
        return self.prunes and self.compact


@dataclass
class SensitivityConfig:
    """What sensitivity measures: the sparsities tried in each layer, and on how many held-out images."""

    sparsities: list[float] = field(default_factory=lambda: [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
    images: int = 1000

    def __post_init__(self) -> None:
        grid = self.sparsities
        for sparsity in grid:
            require(0 < sparsity < 1, "sensitivity.sparsities", sparsity, "in (0, 1)")
        require(bool(grid) and grid == sorted(set(grid)), "sensitivity.sparsities", grid, "rising, one at least")
        require(self.images >= 1, "sensitivity.images", self.images, "an integer >= 1")


@dataclass
class StorageConfig:
    """How tensors are written into the artifact."""

    codec: str = "auto"
    fold_bn: bool = True


@dataclass
class RuntimeConfig:
    """What is measured at the end, and how."""

    engines: list[str] = MISSING
    batch_sizes: list[int] = MISSING
    warmup: int = MISSING
    repeats: int = MISSING
    peak_memory: bool = True

    def __post_init__(self) -> None:
        for engine in self.engines:
            check_engine(engine, key="runtime.engines")
        for size in self.batch_sizes:
            require(size >= 1, "runtime.batch_sizes", size, "integers >= 1")
        require(len(self.engines) > 0, "runtime.engines", self.engines, "one engine at least")
        require(len(self.batch_sizes) > 0, "runtime.batch_sizes", self.batch_sizes, "one size at least")
        require(self.warmup >= 0, "runtime.warmup", self.warmup, "an integer >= 0")
        require(self.repeats >= 1, "runtime.repeats", self.repeats, "an integer >= 1")


@dataclass
class TrainerConfig:
    """Where and in which arithmetic training runs."""

    accelerator: str = "auto"
    precision: str = "auto"
    deterministic: bool = True
    devices: int = 1

    def __post_init__(self) -> None:
        require(self.devices >= 1, "trainer.devices", self.devices, "an integer >= 1")
        accelerators = ("auto", "cpu", "cuda", "mps")
        require(
            self.accelerator in accelerators,
            "trainer.accelerator",
            self.accelerator,
            f"one of {', '.join(accelerators)}",
        )
        precisions = ("auto", "32-true", "16-mixed", "bf16-mixed")
        require(
            self.precision in precisions,
            "trainer.precision",
            self.precision,
            f"one of {', '.join(precisions)}",
        )


@dataclass
class Config:
    """The whole configuration of one run."""

    data: Any = MISSING
    model: Any = MISSING
    training: TrainingConfig = MISSING
    strategy: StrategyConfig = MISSING
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    quantization: QuantizationConfig = field(default_factory=QuantizationConfig)
    storage: StorageConfig = MISSING
    runtime: RuntimeConfig = MISSING
    trainer: TrainerConfig = MISSING
    sensitivity: SensitivityConfig = field(default_factory=SensitivityConfig)
    logger: Any = None
    callbacks: Any = None
    sparsity: float | None = None
    bits: int = FULL_PRECISION
    weight_bits: int = FULL_PRECISION
    activation_bits: int = FULL_PRECISION
    seed: int = 42
    threads: int | None = None
    name: str | None = None
    until: str = "evaluate"
    overwrite: bool = False
    plan: bool = False
    baselines: bool = False
    output_dir: str = "outputs"
    store_max_bytes: str | None = None

    def __post_init__(self) -> None:
        sparsity = self.sparsity
        require(sparsity is None or 0 <= sparsity < 1, "sparsity", sparsity, "in [0, 1), e.g. 0.9")
        if sparsity is not None:
            self.strategy.refuse_other_sparsity("sparsity", sparsity)
        self.quantization.check_bits(self.weight_bits, self.activation_bits)
        self._check_distillation()
        require(isinstance(self.logger, dict), "logger", self.logger, "one of csv, tensorboard, wandb")
        if self.logger.get("_target_") == "lightning.pytorch.loggers.WandbLogger":
            require_packages("wandb")
        require(self.seed >= 0, "seed", self.seed, "an integer >= 0")
        threads = self.threads
        require(threads is None or threads >= 1, "threads", threads, "an integer >= 1, or null for all cores")
        require(self.until in STAGES, "until", self.until, f"one of {', '.join(STAGES)}")
        if self.store_max_bytes is not None:
            size = parse_size(self.store_max_bytes, key="store_max_bytes")
            require(size >= 1, "store_max_bytes", self.store_max_bytes, f"{SIZES}; null for no limit")
        name = self.name
        require(name != "store", "name", name, "another one: it is reserved, for the folder of finished stages")
        require(name is None or _is_folder_name(name), "name", name, "a folder name: letters, digits and . _ - =")

    def _check_distillation(self) -> None:
        recovery = self.strategy.recovery
        trains = recovery.epochs != 0 or recovery.lead_epochs > 0 or self.strategy.finetune.epochs > 0
        taught = self.distillation.student or (self.strategy.prunes and trains) or self.trains_quantized
        if self.distillation.teaches and not taught:
            asked = f"strategy={self.strategy.name}"
            if self.strategy.prunes:
                asked += " and strategy.recovery.epochs=0"
            raise InputError(
                f"distillation={self.distillation.name} has nothing to train with {asked}: must have a strategy with "
                "recovery, quantization=qat, or a student, distillation/student=NAME"
            )

    @property
    def quantizes(self) -> bool:
        """Whether anything is rounded."""
        return min(self.weight_bits, self.activation_bits) < FULL_PRECISION

    @property
    def allocates_bits(self) -> bool:
        """Whether layers get different bits, by a budget."""
        return self.quantizes and self.quantization.allocation.wanted

    @property
    def trains_quantized(self) -> bool:
        """Whether there is training with rounding."""
        return self.quantizes and self.quantization.name == "qat"

    @property
    def target_sparsity(self) -> float:
        """The sparsity asked for: the top-level key, or the strategy's own when that is null."""
        wanted = self.strategy.sparsity if self.sparsity is None else self.sparsity
        return round(wanted, SPARSITY_DIGITS)


def _is_folder_name(name: str) -> bool:
    return re.fullmatch(r"\w[\w.=-]*", name) is not None


def register() -> None:
    """Make the schema known to Hydra, under the name ``schema`` of the defaults list."""
    ConfigStore.instance().store(name="schema", node=Config)


def to_config(cfg: DictConfig) -> Config:
    """Return the checked configuration; raises ``InputError`` or an OmegaConf error naming the key."""
    known = {f.name for f in fields(Config)}
    for key in cfg:
        require(key in known or key == "hydra", f"+{key!s}", cfg[key], f"one of {', '.join(sorted(known))}")
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key in known])
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), own))
    assert isinstance(config, Config)
    return config
