"""Which command a baseline is: a job's with its criterion at random, or that of its dense network made narrow.

``widths`` finds how narrow, ``second_round`` runs them.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.utils import get_object

from compression.config.distillation_schema import DistillationConfig
from compression.config.schema import Config
from compression.sweep.job_grid import name_job
from compression.sweep.jobs import RANDOM, Job

CRITERION = "compression.pruning.criteria.random.Random"
WIDTH = "width_mult"
# Keys that say how a network is compressed; a dense one has none of them.
_COMPRESSING = {"strategy", "sparsity", "bits", "weight_bits", "activation_bits", "distillation", "quantization"}
# What `distillation=none` wants to be so, where a preset has set it.
_UNTAUGHT = (
    "distillation.student=null",
    *(f"distillation.{key}={value}" for key, value in (("teacher", "null"), ("epochs", "null"))),
    *(f"distillation.{key}={getattr(DistillationConfig, key)}" for key in ("alpha", "temperature", "inherit_weights")),
)


def prunes_by_choice(config: Config) -> bool:
    """Whether the strategy chooses what goes otherwise than at random, or goes on choosing while it trains."""
    strategy = config.strategy
    return strategy.prunes and (strategy.criterion["_target_"] != CRITERION or bool(strategy.regrowth))


def make_random_jobs(
    jobs: Sequence[tuple[Config, Job]], compose: Callable[[Sequence[str]], tuple[Config, str]]
) -> list[tuple[Config, Job]]:
    """Return the random counterparts of ``jobs`` that are not among them; ``compose`` gives configuration and digest.

    One counterpart stands for all that differ in nothing but what was chosen by.
    """
    known = {job.name.rpartition("-")[2] for _, job in jobs}
    found = []
    for config, job in jobs:
        if not prunes_by_choice(config):
            continue
        lines = (*job.overrides, *random_overrides(config))
        random_config, digest = compose(lines)
        if digest not in known:
            known.add(digest)
            axes = {key: value for key, value in job.axes.items() if not key.startswith("strategy.criterion.")}
            if "strategy" in axes:
                axes["strategy"] = random_config.strategy.name
            name = name_job(
                {"kind": RANDOM, **{key: value for key, value in axes.items() if key != "strategy"}}, digest
            )
            found.append((random_config, Job(name, lines, axes, kind=RANDOM)))
    return found


def describe_baselines(jobs: Sequence[tuple[Config, Job]]) -> str:
    """Return what a plan says of the baselines of ``jobs``."""
    num_random = sum(job.kind == RANDOM for _, job in jobs)
    most = sum(job.kind == "grid" and is_compressed(config) for config, job in jobs)
    return (
        f"{num_random} of the jobs are random pruning. After them at most {most} small dense networks are trained, as "
        "many as the files of the grid have different sizes."
    )


def random_overrides(config: Config) -> list[str]:
    """Return what makes of a run its random counterpart: same schedule, recovery, granularity and shares of layers.

    Of ``oneshot_l1`` it makes ``oneshot_random``, of ``iterative_l1`` ``iterative_random``, of any other strategy one
    that no file has; RigL and SET without regrowth train a random network that stays as it is.
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
    """Return e.g. ``oneshot_random`` for ``oneshot_l1``."""
    return re.sub(r"_l[12]$", "", name) + "_random"


def is_compressed(config: Config) -> bool:
    """Whether the run leaves anything but the dense network as it was trained."""
    return config.strategy.prunes or config.quantizes or bool(config.distillation.student)


def dense_overrides(overrides: Sequence[str], *, epochs: int, taught: bool = False) -> list[str]:
    """Return the command of a job without what compresses, for a dense network in 8 bits; ``taught``: the job is.

    ``epochs`` is how long it trains: as long as the job's network was trained in all, recovery and all else counted.
    """
    kept = [line for line in overrides if not compresses(key_of(line))]
    return [
        *kept,
        # Presets may have chosen others; what the command line says wins.
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
    """Return what gives ``model``, settings as in ``conf/model``, this width, trained from scratch."""
    if width == own_width(model):
        return []
    scratch = {"pretrained": "false", "weights": "null"}
    return [
        f"++model.{WIDTH}={width:g}",
        *(f"model.{key}={value}" for key, value in scratch.items() if model.get(key)),
    ]


def own_width(model: Mapping[str, Any]) -> float | None:
    """Return the width that ``model``, settings as in ``conf/model``, asks for; None where it takes none."""
    parameter = inspect.signature(get_object(model["_target_"])).parameters.get(WIDTH)
    if parameter is None:
        return None
    default = 1.0 if parameter.default is inspect.Parameter.empty else parameter.default
    return float(model.get(WIDTH, default))


def compresses(key: str) -> bool:
    """Whether ``key`` of a command line says how a network is compressed."""
    return key.replace("/", ".").partition(".")[0] in _COMPRESSING


def key_of(line: str) -> str:
    """Return the key of an override, e.g. ``model.width_mult`` of ``++model.width_mult=0.5``."""
    return line.lstrip("+~").partition("=")[0].partition("@")[0]
