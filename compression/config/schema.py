"""Typed schema of the configuration. Wrong values and contradictions are refused before any training."""

import re
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from compression.config.distillation_schema import DistillationConfig
from compression.config.quantization_schema import (
    BITS,
    BITS_ALLOWED,
    FULL_PRECISION,
    LOW_BITS,
    QuantizationConfig,
)
from compression.config.rules import (
    Section,
    allow,
    at_least,
    check_section,
    checked,
    component,
    each,
    each_part,
    hint_at,
    one_of,
    require,
    within,
)
from compression.config.strategy_schema import StrategyConfig
from compression.config.training_schema import TrainingConfig
from compression.core.errors import InputError
from compression.core.sizes import ALLOWED as SIZES
from compression.core.sizes import parse_size
from compression.runtimes.engines import check_listed_engine
from compression.system.extras import require_packages

# Every stage of run.pipeline but the export of the dense model, in order.
STAGES = (
    *("dense", "distil", "sensitivity", "prune", "compact", "finetune", "bits", "curvature", "quantize"),
    *("export", "evaluate", "analyze"),
)
# The stages that measure the files of a run. Their ids depend on the machine, and no other stage is made from them.
MEASURING = ("evaluate", "analyze")
SPARSITY_DIGITS = 9
# Records have integers of 64 bits.
LARGEST_SEED = 2**63 - 1


@dataclass
class SensitivityConfig(Section):
    """Measurement of sensitivity: the sparsities tried in each layer, and the number of held-out images."""

    sparsities: list[float] = checked(
        [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95],
        each(within("(0, 1)")),
        allow(lambda grid: grid and grid == sorted(set(grid)), "rising, one at least"),
    )
    images: int = checked(1000, at_least(1))


@dataclass
class StorageConfig(Section):
    """Storage of tensors in the artifact."""

    codec: str = "auto"
    fold_bn: bool = True


@dataclass
class RuntimeConfig(Section):
    """Measurements at the end of a run."""

    engines: list[str] = checked(MISSING, each(check_listed_engine), allow(bool, "one engine at least"))
    batch_sizes: list[int] = checked(MISSING, each(at_least(1, "integers")), allow(bool, "one size at least"))
    warmup: int = checked(MISSING, at_least(0))
    repeats: int = checked(MISSING, at_least(1))
    peak_memory: bool = True


@dataclass
class TrainerConfig(Section):
    """The device, its arithmetic, and the number of processes of a training."""

    accelerator: str = checked("auto", one_of("auto", "cpu", "cuda", "mps"))
    precision: str = checked("auto", one_of("auto", "32-true", "16-mixed", "bf16-mixed"))
    deterministic: bool = True
    devices: int = checked(1, at_least(1))


def _check_limit(text: str, *, key: str) -> None:
    require(parse_size(text, key=key) >= 1, key, text, f"{SIZES}; null for no limit")


_is_bits = allow(lambda bits: bits in BITS, BITS_ALLOWED)
# Folders beside those of runs: finished stages, and MLflow's files.
_is_free = allow(lambda name: name not in ("store", "mlruns"), "another one: it is reserved, for a folder of all runs")
# The package that a logger needs besides Lightning.
_LOGGER_PACKAGES = {
    "lightning.pytorch.loggers.MLFlowLogger": "mlflow",
    "lightning.pytorch.loggers.WandbLogger": "wandb",
}
_is_folder_name = allow(re.compile(r"\w[\w.=-]*").fullmatch, "a folder name: letters, digits and . _ - =")


@dataclass
class Config(Section):
    """The complete configuration of one run."""

    data: Any = checked(MISSING, component)
    model: Any = checked(MISSING, component)
    training: TrainingConfig = MISSING
    strategy: StrategyConfig = MISSING
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    quantization: QuantizationConfig = field(default_factory=QuantizationConfig)
    storage: StorageConfig = MISSING
    runtime: RuntimeConfig = MISSING
    trainer: TrainerConfig = MISSING
    sensitivity: SensitivityConfig = field(default_factory=SensitivityConfig)
    logger: Any = checked(None, component)
    callbacks: Any = checked(None, each_part(component))
    sparsity: float | None = checked(None, within("[0, 1)", note=", e.g. 0.9"))
    bits: int = FULL_PRECISION
    weight_bits: int = checked(FULL_PRECISION, _is_bits)
    activation_bits: int = checked(FULL_PRECISION, _is_bits)
    seed: int = checked(42, allow(lambda seed: 0 <= seed <= LARGEST_SEED, f"an integer in [0, {LARGEST_SEED}]"))
    threads: int | None = checked(None, at_least(1, note=", or null for all cores"))
    name: str | None = checked(None, _is_free, _is_folder_name)
    until: str = checked("analyze", one_of(*STAGES))
    analysis: str = checked("basic", one_of("basic", "full", "none"))
    overwrite: bool = False
    plan: bool = False
    baselines: bool = False
    output_dir: str = "outputs"
    store_max_bytes: str | None = checked(None, _check_limit)

    def check(self, at: str = "") -> None:
        """Raise ``InputError`` if sections contradict each other."""
        del at
        self._check_sparsity("strategy.sparsity", self.strategy.sparsity)
        if self.sparsity is not None:
            self._check_sparsity("sparsity", self.sparsity)
        self._check_bits()
        self._check_distillation()
        self._check_balance()
        last = STAGES[-1]
        if self.analysis == "full" and self.until != last:
            raise InputError(f"analysis=full contradicts until={self.until}, which ends before it: use until={last}")
        require(isinstance(self.logger, dict), "logger", self.logger, "one of csv, mlflow, tensorboard, wandb")
        if (package := _LOGGER_PACKAGES.get(self.logger.get("_target_", ""))) is not None:
            require_packages(package)

    def _check_sparsity(self, key: str, sparsity: float) -> None:
        strategy = self.strategy
        if not strategy.allows_sparsity(sparsity):
            raise InputError(
                f"{key}={sparsity} contradicts strategy={strategy.name}, whose sparsity is always "
                f"{strategy.fixed_sparsity}: leave {key} out, or choose another strategy"
            )
        if strategy.prunes and sparsity == 0:
            raise InputError(f"{key}=0 contradicts strategy={strategy.name}: must be above 0, or use strategy=none")
        if strategy.prunes and not 0 < round(sparsity, SPARSITY_DIGITS) < 1:
            smallest = 10**-SPARSITY_DIGITS
            raise InputError(
                f"{key}={sparsity} is rounded to {SPARSITY_DIGITS} digits: must be in [{smallest}, {1 - smallest}]"
            )

    def _check_bits(self) -> None:
        weight, activation, method = self.weight_bits, self.activation_bits, self.quantization
        off = weight == activation == FULL_PRECISION
        if method.name == "none" and not off:
            changed = f"weight_bits={weight}" if weight in LOW_BITS else f"activation_bits={activation}"
            raise InputError(f"{changed} contradicts quantization=none: must be 32 (off), or quantization=ptq")
        if method.name == "weight_only" and activation != FULL_PRECISION:
            raise InputError(f"activation_bits={activation} contradicts quantization=weight_only: must be 32")
        if method.name == "weight_only" and off:
            raise InputError("weight_bits=32 contradicts quantization=weight_only: must be an integer in [2, 8]")
        if method.name == "dynamic" and FULL_PRECISION in (weight, activation):
            key = "weight_bits" if weight == FULL_PRECISION else "activation_bits"
            raise InputError(f"{key}=32 contradicts quantization=dynamic: must be an integer in [2, 8], e.g. bits=8")
        if method.name == "dynamic" and "sparse" in self.runtime.engines:
            raise InputError(
                "runtime.engines=sparse contradicts quantization=dynamic, whose scales depend on the batch: "
                "leave sparse out, or use quantization=ptq"
            )
        if method.name == "qat" and off:
            raise InputError("weight_bits=32 contradicts quantization=qat: must be an integer in [2, 8], e.g. bits=8")
        self._check_repairs(off=off)
        if (off and method.layer_bits) or (weight == FULL_PRECISION and method.allocation.wanted):
            raise InputError("quantization.layer_bits and allocation refine bits=...: weight_bits must be below 32")
        if method.allocation.wanted and min(method.allocation.choices) > weight:
            raise InputError(
                f"quantization.allocation.choices={method.allocation.choices}: at least one must be at most "
                f"weight_bits={weight}"
            )

    def _check_repairs(self, *, off: bool) -> None:
        """Raise ``InputError`` for a step that rounds or repairs, if nothing is rounded that it could work on."""
        method = self.quantization
        if min(self.weight_bits, *method.refined_weight_bits, FULL_PRECISION) == FULL_PRECISION:
            rounding = {"rdoq_lambda": method.rdoq_lambda, "adaround.iterations": method.adaround.iterations}
            for name, value in rounding.items():
                if value:
                    raise InputError(
                        f"quantization.{name}={value} rounds weights: weight_bits must be below 32, e.g. 8"
                    )
        for name in ("equalize", "bias_correction_batches", "batch_norm_batches") if off else ():
            if (value := getattr(method, name)) != getattr(QuantizationConfig, name):
                raise InputError(
                    f"quantization.{name}={value} repairs what rounding loses: weight_bits or activation_bits must be "
                    "below 32, e.g. bits=8"
                )

    def _check_distillation(self) -> None:
        strategy = self.strategy
        learns = self.distillation.student or (strategy.prunes and strategy.trains) or self.trains_quantized
        if self.distillation.teaches and not learns:
            given = f"strategy={strategy.name}"
            if strategy.prunes:
                given += " and strategy.recovery.epochs=0"
            raise InputError(
                f"distillation={self.distillation.name} has nothing to train with {given}: must have a strategy with "
                "recovery, quantization=qat, or a student, distillation/student=NAME"
            )
        epochs, early = self.distillation.epochs or self.training.epochs, self.training.early_epoch
        if self.distillation.student and early > epochs:
            raise InputError(
                f"training.early_epoch={early} is after the last of the student's epochs: must be in [1, {epochs}]"
            )

    def _check_balance(self) -> None:
        sampling = self.data.get("sampling") if isinstance(self.data, dict) else None
        if sampling == "balanced" and self.training.class_weights == "balanced":
            raise InputError(
                "data.sampling=balanced contradicts training.class_weights=balanced: together they count rare classes "
                "twice; must be one of them"
            )

    @property
    def evaluates(self) -> bool:
        """Whether the files of the run are measured, so that the run has a report."""
        return self.until in MEASURING

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
        """The sparsity of the run: the top-level key, or the strategy's own when that key is null."""
        wanted = self.strategy.sparsity if self.sparsity is None else self.sparsity
        return round(wanted, SPARSITY_DIGITS)


def register() -> None:
    """Make the schema known to Hydra, as ``schema`` of the defaults list, and ``${logged_score:}`` to OmegaConf."""
    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver("logged_score", _name_logged_score, replace=True)


def _name_logged_score(monitor: str) -> str:
    # What `auto` means depends on the images, which are read later. Accuracy is always logged.
    return f"val/{'accuracy' if monitor == 'auto' else monitor}"


@cache
def _schema() -> DictConfig:
    """Return the schema as OmegaConf wants it. It is never changed, and takes a while to make."""
    return OmegaConf.structured(Config)


def to_config(cfg: DictConfig) -> Config:
    """Return the checked configuration; raises ``InputError`` or an OmegaConf error naming the key."""
    known = {f.name for f in fields(Config)}
    for key in cfg:
        if key not in known and key != "hydra":
            allowed = f"one of {', '.join(sorted(known))}{hint_at(str(key), sorted(known))}"
            raise InputError(f"+{key!s}={cfg[key]}: must be {allowed}")
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key in known])
    config = OmegaConf.to_object(OmegaConf.merge(_schema(), own))
    assert isinstance(config, Config)
    check_section(config)
    return config
