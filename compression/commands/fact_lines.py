"""The facts in an artifact's notes as lines of text."""

from collections.abc import Mapping
from typing import Any

from compression.core.file_facts import FileFacts, Validation, read_facts
from compression.core.model_card import ModelCard
from compression.core.proportion import wilson_interval
from compression.core.text import shorten

# Classes that are listed by name.
_MOST = 10


def describe_notes(card: ModelCard) -> dict[str, str]:
    """Return the notes of a file as text, by name: known facts in words, all others as they are."""
    facts = read_facts(card.info, num_classes=len(card.class_names))
    lines: dict[str, str] = {}
    for key, value in card.info.items():
        known = _describe(str(key), facts, card.class_names)
        lines |= known or {str(key): _show(value)}
    return lines


def _describe(key: str, facts: FileFacts, names: list[str]) -> dict[str, str]:
    if key == "data" and facts.data is not None:
        images = ", ".join(f"{count:,} {part}" for part, count in facts.data.parts.items())
        return {key: f"{facts.data.name}, fingerprint {facts.data.fingerprint}; images: {images or 'not known'}"}
    if key == "stages" and facts.stages:
        return {key: ", ".join(facts.stages)}
    if key == "validation" and facts.validation is not None:
        return _describe_validation(facts.validation, names)
    return {}


def _describe_validation(found: Validation, names: list[str]) -> dict[str, str]:
    hits, total = sum(found.correct), sum(found.images)
    low, high = wilson_interval(hits, total)
    by_class = sorted(found.recalls.items(), key=lambda one: (one[1], one[0]))
    return {
        "validation": (
            f"{100 * found.accuracy:.2f} % of {total:,} held-out training images "
            f"(95 % interval {100 * low:.2f} to {100 * high:.2f} %), balanced {100 * found.balanced_accuracy:.2f} %"
        ),
        "by class": shorten([f"{names[index]} {100 * recall:.1f} %" for index, recall in by_class], limit=_MOST),
    }


def _show(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
