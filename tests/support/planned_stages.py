"""Planned stages, and records of finished stages."""

import json
from dataclasses import asdict
from pathlib import Path

from compression.stage_store.store import StageKey, StageRecord

ARITHMETIC = {"threads": 1, "device": "cpu", "precision": "32-true"}


def stage(stage: str, *parents: StageRecord, **inputs: object) -> StageRecord:
    """Return a stage that is only planned."""
    key = StageKey(stage, 1, {"arithmetic": ARITHMETIC, **inputs}, tuple(parent.id for parent in parents))
    return StageRecord(key, Path(key.name), {}, 0.0, reused=False, made_with={}, planned=True)


def dense(model: str = "a", *, epochs: int | None = 2, images: str = "digits", **inputs: object) -> StageRecord:
    """Return the planned training of a model; without ``epochs``, its weights are given."""
    trained = {} if epochs is None else {"training": {"epochs": epochs}}
    data = {"fingerprint": images, "image_size": 32}
    return stage("dense", data=data, model={"target": model}, **trained, **inputs)


def prune(parent: StageRecord, *, sparsity: float = 0.5, **settings: object) -> StageRecord:
    """Return the planned pruning of a model, with ``epochs`` after each of ``steps``."""
    epochs, schedule = settings.pop("epochs", 1), {"steps": settings.pop("steps", None)} | settings
    recovery = {"epochs": epochs, "lead_epochs": 0, "spread": None}
    return stage("prune", parent, sparsity=sparsity, strategy={"recovery": recovery, "schedule": schedule})


def add_past_stage(store: Path, record: StageRecord, *, seconds: float = 1.0, num_bytes: int = 2000) -> None:
    """Write a finished stage of ``num_bytes`` bytes into ``store``."""
    folder = store / record.key.name
    folder.mkdir(parents=True)
    text = json.dumps({"key": asdict(record.key), "invocation": "before", "results": {}, "seconds": seconds})
    (folder / "stage.json").write_text(text)
    (folder / "weights").write_bytes(bytes(num_bytes - len(text)))
