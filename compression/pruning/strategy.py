"""Pruning strategies: criterion x granularity x allocation x schedule, and the masks they produce together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.allocations import Allocation
from compression.pruning.costed_weights import TARGETS, CostedWeightUnits, costed_units
from compression.pruning.criteria import Criterion
from compression.pruning.evidence import Batch, Evidence
from compression.pruning.granularities import Granularity, Units
from compression.pruning.granularities.weights import Weights, WeightUnits
from compression.pruning.regrowth import Regrowth
from compression.pruning.run_order import list_weight_reads
from compression.pruning.schedules import Schedule
from compression.pruning.scores_per_cost import cost_exponent, scores_per_cost
from compression.pruning.weight_costs import LayerCost


@dataclass(frozen=True)
class Strategy:
    """A plan to prune a model until the fraction ``amount``, in [0, 1), of its weights (or channels, ...) is removed.

    ``units`` come from a granularity and belong to one model; ``example: [B, C, H, W]`` is an input of that model. With
    ``regrowth`` only the first step prunes; later steps move weights at constant sparsity.
    """

    criterion: Criterion
    units: Units
    allocation: Allocation
    schedule: Schedule
    amount: float
    seed: int
    example: Tensor = field(repr=False)
    regrowth: Regrowth | None = None

    @property
    def num_steps(self) -> int:
        """Number of pruning steps, at least 1."""
        return self.schedule.num_steps(self.amount)

    def prunes_at(self, step: int) -> bool:
        """Return whether ``step`` (from 1) makes the model sparser, rather than only moving weights."""
        return self.regrowth is None or step == 1

    def check(self, model: nn.Module) -> None:
        """Raise ``InputError`` if the amount cannot be reached on ``model``, or if ``regrowth`` does not fit."""
        if self.regrowth is not None and type(self.units) is not WeightUnits:
            raise InputError("strategy.regrowth moves single weights: it needs the granularity weights.Weights")
        if self.regrowth is not None and self.num_steps < 2:
            raise InputError("strategy.schedule.steps=1: must be >= 2 with strategy.regrowth: the first only prunes")
        magnitudes = {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}
        scores = self.units.reduce(magnitudes)
        self.units.count(scores, amount=self.amount, final=self.amount, allocation=self.allocation)

    def masks_at(
        self, step: int, model: nn.Module, *, masks: MaskSet, batches: Iterable[Batch] | None = None
    ) -> MaskSet:
        """Return the masks after ``step`` (from 1), given the masks before it.

        Pruned weights stay pruned, unless they regrow. ``batches`` are training images for criteria that need
        gradients. Every step of a criterion uses other batches. Raises ``InputError`` if scores are not finite.
        """
        weights = prunable_weights(model)
        device = next(iter(weights.values())).device
        evidence = Evidence(
            model=model,
            example=self.example.to(device),
            generator=make_generator(self.seed, "criterion", step),
            batches=batches,
            turn=step - 1,
        )
        if not self.prunes_at(step):
            assert self.regrowth is not None
            progress = (step - 1) / self.num_steps
            return self.regrowth(weights, masks=masks, progress=progress, evidence=evidence)
        scores = self.criterion(weights, evidence=evidence)
        for name, score in scores.items():
            if not score.isfinite().all():
                raise InputError(
                    f"scores of {name} are not finite: training has diverged (try a lower learning rate), or the "
                    "criterion is wrong"
                )
        scores = self.units.reduce(scores)
        kept = self.units.kept(masks)
        scores = {name: score.masked_fill(~kept[name], -torch.inf) for name, score in scores.items()}
        ranked = scores
        if isinstance(self.units, CostedWeightUnits):
            ranked = scores_per_cost(scores, costs=self.units.costs, exponent=cost_exponent(self.criterion))
        num_kept = self.units.count(
            ranked, amount=self.schedule(step, self.amount), final=self.amount, allocation=self.allocation
        )
        return MaskSet(self.units.masks(scores, num_kept))


def find_units(
    granularity: Granularity,
    model: nn.Module,
    *,
    example: Tensor,
    amount: float,
    target: str = "weights",
    protect: Sequence[str] = (),
    layer_cost: LayerCost | None = None,
) -> Units:
    """Return the units (weights or channel groups) that ``granularity`` finds in ``model``.

    ``target`` is the quantity that the amount refers to. ``protect`` may contain ``first`` and ``last``, the prunable
    weights that stay dense. ``layer_cost`` gives the cost of a weight for ``target="latency"``. Raises ``InputError``
    if the granularity cannot reach ``amount`` or does not fit the model or the target.
    """
    fixed = granularity.fixed_sparsity
    if fixed is not None and not math.isclose(fixed, amount):
        raise InputError(f"sparsity={amount} contradicts strategy.granularity, which always prunes {fixed}")
    if fixed is not None and target != "weights":
        raise InputError(f"strategy.target={target}: must be weights where a pattern decides what is pruned")
    protected = protected_weights(model, protect, example=example)
    if type(granularity) is not Weights or target == "weights":
        return granularity.units(model, example=example, target=target, protected=protected)
    if target not in TARGETS:
        allowed = ", ".join(("weights", *TARGETS))
        raise InputError(f"strategy.target={target}: must be one of {allowed} where single weights are pruned")
    layer_cost = layer_cost if target == "latency" else None
    return costed_units(model, example=example, target=target, protected=protected, layer_cost=layer_cost)


def protected_weights(model: nn.Module, protect: Sequence[str], *, example: Tensor) -> frozenset[str]:
    """Return the weight names that ``protect`` stands for.

    ``first`` and ``last`` are the first and last prunable weight that a run on ``example: [B, C, H, W]`` reads. If it
    reads none, they are those in the order in which the model defines them.
    """
    if not protect:
        return frozenset()
    names = list_weight_reads(model, example) or list(prunable_weights(model))
    ends = {"first": names[0], "last": names[-1]}
    return frozenset(ends[end] for end in protect)
