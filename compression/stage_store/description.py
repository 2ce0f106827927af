"""Short descriptions of stages, such as ``digits mobilenet_v2 s90 seed 7``."""

from collections.abc import Iterable, Mapping
from typing import Any

from compression.stage_store.entries import Entry


def describe_stages(entries: Iterable[Entry]) -> dict[str, dict[str, str]]:
    """Return a description of each stage by id: words by topic, such as ``{"data": "digits", "seed": "seed 7"}``.

    A stage inherits the words of its parents; its own words win. A parent that was removed contributes nothing. The
    topics are in reading order.
    """
    by_id = {entry.id: entry for entry in entries if entry.record}
    found: dict[str, dict[str, str]] = {}

    def visit(entry_id: str) -> dict[str, str]:
        if entry_id not in by_id:
            return {}
        if entry_id not in found:
            found[entry_id] = {}
            words: dict[str, str] = {}
            for parent in by_id[entry_id].parents:
                words |= visit(parent)
            words |= _own_words(by_id[entry_id].record or {})
            found[entry_id] = {key: words[key] for key in _ORDER if key in words}
        return found[entry_id]

    for entry_id in by_id:
        visit(entry_id)
    return found


_ORDER = ("data", "model", "strategy", "sparsity", "bits", "quantization", "distillation", "epochs", "seed")


def _own_words(record: Mapping[str, Any]) -> dict[str, str]:
    inputs = record["key"]["inputs"]
    words: dict[str, str] = {}
    if isinstance(inputs.get("data"), dict):
        words["data"] = _module(inputs["data"].get("_target_"))
    if isinstance(inputs.get("model"), dict):
        words["model"] = _last(inputs["model"].get("target"))
    strategy = inputs.get("strategy")
    if isinstance(strategy, dict):
        parts = (strategy.get(part) for part in ("criterion", "schedule"))
        targets = (part.get("_target_") for part in parts if isinstance(part, dict))
        words["strategy"] = "/".join(_module(target) for target in targets if target)
    if isinstance(inputs.get("sparsity"), (int, float)) and 0 <= inputs["sparsity"] < 1:
        words["sparsity"] = f"s{100 * inputs['sparsity']:g}"
    if isinstance(inputs.get("bits"), list) and len(inputs["bits"]) == 2:
        words["bits"] = "w{} a{}".format(*inputs["bits"])
    if isinstance(inputs.get("quantization"), dict):
        words["quantization"] = str(inputs["quantization"].get("name", ""))
    if isinstance(inputs.get("distillation"), dict):
        words["distillation"] = str(inputs["distillation"].get("name", "distilled"))
    if record["key"]["stage"] in ("dense", "distil") and isinstance(inputs.get("training"), dict):
        epochs = inputs["training"].get("epochs")
        words["epochs"] = f"{epochs} epoch{'' if epochs == 1 else 's'}"
    if isinstance(inputs.get("seed"), int):
        words["seed"] = f"seed {inputs['seed']}"
    return {key: word for key, word in words.items() if word}


def _module(target: Any) -> str:
    """Return the module's name, which says what it holds: ``digits`` for ``compression.data.digits.Digits``."""
    parts = str(target or "").split(".")
    return parts[-2].rstrip("_") if len(parts) > 1 else parts[-1]


def _last(target: Any) -> str:
    return str(target or "").rpartition(".")[2]
