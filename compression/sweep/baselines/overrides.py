"""Commands of the baselines, derived from the commands of a sweep's jobs.

A random job prunes with a random criterion. A small dense job trains a narrow dense network in 8 bits. ``width_search``
finds its width, and ``second_round`` runs the baselines.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.utils import get_object

from compression.config.distillation_schema import DistillationConfig
from compression.config.override_text import key_of
from compression.config.schema import Config
from compression.sweep.job_names import JobNames
from compression.sweep.jobs import RANDOM, Job

CRITERION = "compression.pruning.criteria.random.Random"
WIDTH = "width_mult"
# Keys that configure compression. The command of a dense network has no such key.
_COMPRESSING = {"strategy", "sparsity", "bits", "weight_bits", "activation_bits", "distillation", "quantization"}
# Values that `distillation=none` requires. They undo those of a preset.
_UNTAUGHT = (
    "distillation.student=null",
    *(f"distillation.{key}={value}" for key, value in (("teacher", "null"), ("epochs", "null"))),
    *(f"distillation.{key}={getattr(DistillationConfig, key)}" for key in ("alpha", "temperature", "inherit_weights")),
)


def prunes_by_choice(config: Config) -> bool:
    """Return whether the strategy prunes by a criterion other than random, or regrows weights during training."""
    strategy = config.strategy
    return strategy.prunes and (strategy.criterion["_target_"] != CRITERION or bool(strategy.regrowth))


def make_random_jobs(
    jobs: Sequence[tuple[Config, Job]],
    compose: Callable[[Sequence[str]], tuple[Config, str]],
    *,
    earlier: Sequence[Job] = (),
) -> list[tuple[Config, Job]]:
    """Return the random counterparts of ``jobs`` that are not in ``jobs`` themselves, with their configurations.

    ``compose`` returns the configuration of a list of overrides, and the hash that identifies it. Jobs that differ
    only in their criterion share one counterpart. A counterpart among the ``earlier`` jobs of the folder keeps its
    name.
    """
    own = [job for _, job in jobs]
    known, names = JobNames(own), JobNames([*earlier, *own])
    found: dict[str, tuple[Config, Job]] = {}
    for config, job in jobs:
        if not prunes_by_choice(config):
            continue
        lines = (*job.overrides, *random_overrides(config))
        random_config, identity = compose(lines)
        if known.find(identity) is None and identity not in found:
            axes = {key: value for key, value in job.axes.items() if not key.startswith("strategy.criterion.")}
            if "strategy" in axes:
                axes["strategy"] = random_config.strategy.name
            shown = {"kind": RANDOM, **{key: value for key, value in axes.items() if key != "strategy"}}
            name = names.give(shown, identity)
            found[identity] = random_config, Job(name, lines, axes, kind=RANDOM, identity=identity)
    return list(found.values())


def describe_baselines(jobs: Sequence[tuple[Config, Job]]) -> str:
    """Return the sentences about baselines in the plan of a sweep with ``jobs``."""
    num_random = sum(job.kind == RANDOM for _, job in jobs)
    most = sum(job.kind == "grid" and is_compressed(config) for config, job in jobs)
    return (
        f"{num_random} of the jobs are random pruning. After them at most {most} small dense networks are trained, "
        "one for each different file size of the grid."
    )


def random_overrides(config: Config) -> list[str]:
    """Return the overrides that turn a run into its random counterpart.

    Schedule, recovery, granularity and allocation to layers stay. ``oneshot_l1`` becomes ``oneshot_random`` and
    ``iterative_l1`` becomes ``iterative_random``; the counterparts of other strategies have no file in
    ``conf/strategy``. RigL and SET lose their regrowth, so they train a random sparse network with a fixed mask.
    """
    strategy = config.strategy
    dropped = [key for key in strategy.criterion if key != "_target_"]
    return [
        f"strategy.name={'static_random' if strategy.regrowth else random_name(strategy.name)}",
        f"strategy.criterion._target_={CRITERION}",
        *(f"~strategy.criterion.{key}" for key in dropped),
        *(["strategy.regrowth=null"] if strategy.regrowth else []),
    ]


def random_name(name: str) -> str:
    """Return the name of a strategy's random counterpart, e.g. ``oneshot_random`` for ``oneshot_l1``."""
    return re.sub(r"_l[12]$", "", name) + "_random"


def is_compressed(config: Config) -> bool:
    """Return whether the run prunes, quantizes or distils into a student, rather than only training a dense network."""
    return config.strategy.prunes or config.quantizes or bool(config.distillation.student)


def dense_overrides(overrides: Sequence[str], *, epochs: int, taught: bool = False) -> list[str]:
    """Return the overrides of a job without its compression, for a dense network in 8 bits.

    ``epochs`` is the number of training epochs: as many as the job's network had in total, including recovery and
    fine-tuning. ``taught`` says that the job uses distillation, whose settings are then reset.
    """
    kept = [line for line in overrides if not compresses(key_of(line))]
    return [
        *kept,
        # A preset may choose other values. The command line takes precedence.
        "strategy=none",
        "sparsity=null",
        "distillation=none",
        "distillation/student=none",
        *(_UNTAUGHT if taught else ()),
        "quantization=ptq",
        "weight_bits=8",
        "activation_bits=8",
        f"training.epochs={epochs}",
    ]


def narrow_overrides(model: Mapping[str, Any], width: float) -> list[str]:
    """Return the overrides that give ``model`` this width and train it from scratch; none if it has this width.

    ``model`` holds settings as in ``conf/model``.
    """
    if width == own_width(model):
        return []
    scratch = {"pretrained": "false", "weights": "null"}
    dropped = [f"model.{key}={value}" for key, value in scratch.items() if model.get(key)]
    # Random weights are neither frozen nor fine-tuned.
    without = ["training.freeze_epochs=0", "training.fine_tune=false"] if dropped else []
    return [f"++model.{WIDTH}={width:g}", *dropped, *without]


def own_width(model: Mapping[str, Any]) -> float | None:
    """Return the width multiplier of ``model``, settings as in ``conf/model``; None if it takes no such setting."""
    parameter = inspect.signature(get_object(model["_target_"])).parameters.get(WIDTH)
    if parameter is None:
        return None
    default = 1.0 if parameter.default is inspect.Parameter.empty else parameter.default
    return float(model.get(WIDTH, default))


def compresses(key: str) -> bool:
    """Return whether ``key`` of a command line configures compression."""
    return key.replace("/", ".").partition(".")[0] in _COMPRESSING
