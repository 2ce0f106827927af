"""Folder names of runs: readable, and the same for the same configuration."""

import hashlib
from functools import reduce
from typing import Any

from omegaconf import DictConfig, OmegaConf

from compression.config.quantization_schema import FULL_PRECISION
from compression.config.schema import SPARSITY_DIGITS, Config, to_config
from compression.core.canonical_json import dump_sorted

# Keys that later versions added, with the defaults that have no effect. There they are left out, so that folder names
# from before these keys existed stay valid.
LATER = {
    "data.allow_conflicts": False,
    "data.allow_nested": False,
    "data.augment.cutout": 0,
    "data.background": "white",
    "data.channels": 3,
    "data.exclude": None,
    "data.fit": "auto",
    "data.fold": None,
    "data.folds": None,
    "data.group_pattern": None,
    "data.include": None,
    "data.normalization": None,
    "data.sampling": "natural",
    "data.value_range": None,
    "quantization.calibration_batch_size": None,
    "strategy.recovery.lr": None,
    "training.class_weights": "none",
    "training.fine_tune": False,
    "training.first_size": 1.0,
    "training.focal_gamma": 2.0,
    "training.freeze_epochs": 0,
    "training.loss": "cross_entropy",
    "training.monitor": "auto",
}
# Hex digits of a digest in a name.
DIGEST_DIGITS = 6
# Keys that change where or how often a run is made, but never its result.
NOT_IN_NAME = ("hydra", "name", "output_dir", "overwrite", "plan", "baselines", "store_max_bytes")


def run_name(*, _root_: DictConfig) -> str:
    """Return e.g. ``digits-mobilenet_v2-iterative_l1-s90-3f2a1c``: the main choices, and a digest.

    Hydra calls this while it composes, so a wrong configuration is refused before a folder is made.
    """
    config = to_config(_root_)
    if config.name is not None:
        return config.name
    choices = _root_.hydra.runtime.choices
    parts = [
        choices.data,
        choices.model,
        config.strategy.name,
        *_numbers(config),
        *_teaching(config, choices),
        digest(_root_),
    ]
    return "-".join(str(part).replace("/", "_") for part in parts)


def register() -> None:
    """Make ``${run_name:}`` known to OmegaConf."""
    OmegaConf.register_new_resolver("run_name", run_name, replace=True)


def _numbers(config: Config) -> list[str]:
    numbers = []
    if config.strategy.prunes:
        target = config.strategy.target
        numbers.append(f"{'s' if target == 'weights' else target}{config.target_sparsity * 100:g}")
    if config.weight_bits != FULL_PRECISION:
        numbers.append(f"w{config.weight_bits}")
    if config.activation_bits != FULL_PRECISION:
        numbers.append(f"a{config.activation_bits}")
    return numbers


def _teaching(config: Config, choices: DictConfig) -> list[str]:
    """Return e.g. ``kd`` or ``kd_hint``, and the student if there is one."""
    distillation = config.distillation
    if not distillation.teaches:
        return []
    loss = "kd" if distillation.name == "logit" else f"kd_{distillation.feature.kind}"
    return [loss, choices["distillation/student"]] if distillation.student else [loss]


def digest(root: DictConfig) -> str:
    """Return the first six hex digits of ``identify``. Among thousands of configurations, two may share them."""
    return identify(root)[:DIGEST_DIGITS]


def identify(root: DictConfig) -> str:
    """Return the SHA-256, in hex, of every setting that affects the result."""
    return hashlib.sha256(dump_sorted(collect_settings(root), default=str).encode()).hexdigest()


def _get_section(plain: dict[str, Any], name: str) -> dict[str, Any]:
    # A data set of the user may have no such section, and a wrong value in its place is refused later, by its name.
    found = plain.get(name)
    return found if isinstance(found, dict) else {}


def collect_settings(root: DictConfig) -> dict[str, Any]:
    """Return every setting that affects the result, without those that have no effect, as plain values."""
    kept = OmegaConf.masked_copy(root, [str(key) for key in root if key not in NOT_IN_NAME])
    plain: Any = OmegaConf.to_container(kept, resolve=True)
    # A range such as 0.5 to 0.9 by 0.2 ends in 0.7000000000000001.
    if isinstance(plain["sparsity"], float):
        plain["sparsity"] = round(plain["sparsity"], SPARSITY_DIGITS)
    for key, default in LATER.items():
        *sections, name = key.split(".")
        section = reduce(_get_section, sections, plain)
        if section.get(name, default) == default:
            section.pop(name, None)
    # Folder names from before these keys existed must stay valid.
    if plain["trainer"].get("devices") == 1:
        del plain["trainer"]["devices"]
    if plain.get("analysis") == "basic":
        del plain["analysis"]
    if plain["until"] == "analyze":
        # The last stage was `evaluate`. A run up to there is the same run without an analysis.
        plain["until"] = "evaluate"
    settings: dict[str, Any] = plain
    return settings
