"""The strategies of conf/strategy, built for the network of the contract tests."""

from pathlib import Path

from contract_net import EXAMPLE
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.strategy import Strategy, find_units

CONF = Path(__file__).parents[2] / "conf"
with initialize_config_dir(str(CONF), version_base="1.3"):
    RECIPES = {
        path.stem: OmegaConf.to_container(compose(f"strategy/{path.stem}").strategy)
        for path in sorted((CONF / "strategy").glob("*.yaml"))
    }
PRUNING = [name for name, recipe in RECIPES.items() if "criterion" in recipe]
STRUCTURED = [name for name in PRUNING if RECIPES[name].get("target", "weights") != "weights"]
UNSTRUCTURED = [name for name in PRUNING if name not in (*STRUCTURED, "two_four")]
# The strategies on single weights that rank all weights together, so that they can save MACs.
RANKING = [
    name
    for name in UNSTRUCTURED
    if RECIPES[name]["allocation"]["_target_"] == "compression.pruning.allocations.global_.Global"
]
REGROWING = [name for name in PRUNING if "regrowth" in RECIPES[name]]


def make_strategy(
    name: str, model: nn.Module, *, seed: int = 7, amount: float | None = None, target: str | None = None
) -> Strategy:
    """Return the strategy of recipe ``name`` for ``model``; ``amount`` and ``target`` replace the recipe's own."""
    recipe = RECIPES[name]
    amount = recipe["sparsity"] if amount is None else amount
    units = find_units(
        instantiate(recipe["granularity"]),
        model,
        example=EXAMPLE,
        amount=amount,
        target=target or recipe.get("target", "weights"),
    )
    allocation = instantiate(recipe["allocation"])
    if getattr(allocation, "needs_sensitivity", False):
        names = units.reduce(dict(prunable_weights(model)))
        allocation = allocation.measured({layer: k / len(names) for k, layer in enumerate(names)})
    return Strategy(
        criterion=instantiate(recipe["criterion"]),
        units=units,
        allocation=allocation,
        schedule=instantiate(recipe["schedule"]),
        regrowth=instantiate(recipe["regrowth"]) if "regrowth" in recipe else None,
        amount=amount,
        seed=seed,
        example=EXAMPLE,
    )


def run(strategy: Strategy, model: nn.Module, batches: list) -> list[MaskSet]:
    """Return the masks after every step, without any training between the steps."""
    history = [strategy.units.dense_masks()]
    for step in range(1, strategy.num_steps + 1):
        history.append(strategy.masks_at(step, model, masks=history[-1], batches=batches))
    return history[1:]


def same(first: MaskSet, second: MaskSet) -> bool:
    """Return whether both mask sets are equal."""
    return list(first) == list(second) and all(bool((first[name] == second[name]).all()) for name in first)
