"""Estimates of time and bytes of planned stages, from similar stages of the same data and network."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from compression.core.flatten import flatten
from compression.pruning.schedules.geometric import Geometric
from compression.stage_store.entries import tree_bytes
from compression.stage_store.manifest import RECORD, read_record
from compression.stage_store.store import StageKey, StageRecord

# An estimate uses at most this many of the most similar past stages.
_NEAREST = 5

_Inputs = frozenset[tuple[str, str]]
_NO_INPUTS: _Inputs = frozenset()


@dataclass(frozen=True)
class Estimate:
    """Expected seconds and bytes of a stage.

    ``elsewhere``: no past stage had the same threads, device and precision, so the estimate is from other ones.
    """

    seconds: float
    num_bytes: int
    elsewhere: bool


class Estimator:
    """Estimates of planned stages from the finished stages of a store.

    Past stages count if they have the same kind, the same images at the same size, and the same network, which the
    stages they were made from decide. Stages with the same threads, device and precision are preferred. Among these the
    estimate uses the stages that share most inputs, counting inputs of the stages they were made from.

    Seconds are scaled by epochs: of dense training, a student's training, fine-tuning, quantization-aware training, and
    pruning (steps times recovery). They are also scaled by the iterations of learned rounding. Nothing else is scaled:
    not recovery that ``recovery.min_updates`` makes longer, not repeats of measurements, and no bytes.
    """

    def __init__(self, store: Path, records: Mapping[str, StageRecord]) -> None:
        """``records``: by id, the stages to estimate and the stages they are made from."""
        past = dict(_read_past(store))
        self._keys = {name: one.key for name, one in past.items()} | {name: one.key for name, one in records.items()}
        self._lineages: dict[str, _Lineage] = {}
        self._groups: dict[tuple[Any, ...], list[tuple[_Inputs, _Past]]] = defaultdict(list)
        self._alike: dict[tuple[Any, ...], _Alike] = {}
        for name, one in past.items():
            inputs, like = self._lineage(name).inputs, self._likeness(name, one.key, one.work)
            self._groups[like].append((inputs, one))
            self._groups[*like, _machine(one.key)].append((inputs, one))

    def estimate(self, planned: StageRecord) -> Estimate | None:
        """Return the estimate for ``planned``, or None if no similar stage was made."""
        work = _work(planned.key)
        like = self._likeness(planned.id, planned.key, work)
        here = (*like, _machine(planned.key))
        elsewhere = here not in self._groups
        group = like if elsewhere else here
        if group not in self._groups:
            return None
        if group not in self._alike:
            self._alike[group] = _Alike(self._groups[group])
        pace, num_bytes = self._alike[group].nearest(self._lineage(planned.id).inputs)
        return Estimate(pace * work.amount, num_bytes, elsewhere)

    def _likeness(self, name: str, key: StageKey, work: "_Work") -> tuple[Any, ...]:
        return (key.stage, self._lineage(name).networks, work.unit)

    def _lineage(self, name: str) -> "_Lineage":
        if name not in self._lineages:
            key = self._keys[name]
            # A stage that was removed from the store has no record.
            parents = [self._lineage(parent) for parent in key.parents if parent in self._keys]
            self._lineages[name] = _Lineage(
                inputs=frozenset(_flatten(key.inputs, at=key.stage)).union(*(one.inputs for one in parents)),
                networks=frozenset(_networks(key)).union(*(one.networks for one in parents)),
            )
        return self._lineages[name]


@dataclass(frozen=True)
class _Lineage:
    """Inputs and networks of a stage and of all stages it was made from. Networks include their training images."""

    inputs: _Inputs
    networks: frozenset[str]


@dataclass(frozen=True)
class _Work:
    """The amount of work that seconds are scaled by: a number of ``epochs`` or ``iterations``, or 1 of ``once``."""

    unit: str
    amount: float


@dataclass(frozen=True)
class _Past:
    key: StageKey
    work: _Work
    seconds: float
    folder: Path


class _Alike:
    """Past stages that may be compared with a planned one."""

    def __init__(self, past: Sequence[tuple[_Inputs, _Past]]) -> None:
        # Inputs that all stages share do not distinguish them. Few inputs remain, even for thousands of stages.
        common = frozenset.intersection(*(inputs for inputs, _ in past))
        self._past = [(inputs - common, one) for inputs, one in past]
        self._telling = _NO_INPUTS.union(*(inputs for inputs, _ in self._past))
        self._found: dict[_Inputs, tuple[float, int]] = {}

    def nearest(self, inputs: _Inputs) -> tuple[float, int]:
        """Return seconds per unit of work, and bytes: medians of the stages that share most of ``inputs``."""
        wanted = inputs & self._telling
        if wanted not in self._found:
            shared = [len(wanted & its) for its, _ in self._past]
            most = max(shared)
            near = [one for count, (_, one) in zip(shared, self._past, strict=True) if count == most][:_NEAREST]
            pace = median(one.seconds / one.work.amount for one in near)
            self._found[wanted] = pace, int(median(tree_bytes(one.folder) for one in near))
        return self._found[wanted]


def _read_past(store: Path) -> Iterator[tuple[str, _Past]]:
    """Yield each finished stage of a store with its id."""
    for path in sorted(store.glob(f"*/{RECORD}")):
        try:
            record = read_record(path.parent)
            written = record["key"]
            key = StageKey(written["stage"], written["version"], written["inputs"], tuple(written["parents"]))
            yield path.parent.name.rpartition("-")[2], _Past(key, _work(key), record["seconds"], path.parent)
        except (OSError, AttributeError, KeyError, TypeError, ValueError):
            # An unreadable record gives no estimate. `store verify` reports it.
            continue


def _networks(key: StageKey) -> Iterator[str]:
    data, model = key.inputs.get("data"), key.inputs.get("model")
    if data and model:
        yield json.dumps([data.get("fingerprint"), data.get("image_size"), model], sort_keys=True)


def _machine(key: StageKey) -> tuple[str, ...]:
    arithmetic = key.inputs.get("arithmetic", {})
    return tuple(str(arithmetic.get(name)) for name in ("threads", "device", "precision", "devices"))


def _work(key: StageKey) -> _Work:
    inputs = key.inputs
    if key.stage == "prune":
        epochs = _pruning_epochs(inputs)
    elif key.stage == "finetune":
        epochs = inputs["finetune"]["epochs"]
    else:
        epochs = inputs.get("training", {}).get("epochs", 0)
    if epochs:
        return _Work("epochs", epochs)
    iterations = inputs.get("quantization", {}).get("adaround", {}).get("iterations", 0)
    return _Work("iterations", iterations) if iterations else _Work("once", 1)


def _pruning_epochs(inputs: Mapping[str, Any]) -> int:
    recovery, schedule = inputs["strategy"]["recovery"], inputs["strategy"]["schedule"]
    epochs: int = inputs["training"]["epochs"] if recovery["epochs"] is None else recovery["epochs"]
    if recovery["spread"] is None:
        fraction = schedule.get("step_fraction")
        by_fraction = fraction and Geometric(step_fraction=fraction).num_steps(inputs["sparsity"])
        epochs *= by_fraction or schedule.get("steps") or 1
    return epochs + int(recovery["lead_epochs"])


def _flatten(inputs: Mapping[str, Any], *, at: str) -> Iterator[tuple[str, str]]:
    for path, value in flatten(inputs, separator="/", at=f"{at}/"):
        yield path, json.dumps(value, sort_keys=True, default=str)
