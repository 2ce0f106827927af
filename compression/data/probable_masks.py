"""Pictures that are probably masks of others: the same name twice, or only two values beside photographs."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compression.core.text import shorten

# Fewer are a coincidence.
MIN_MASKS = 3
# Share of the pictures of a folder, or of an extension in it, from which a finding holds "throughout".
_THROUGHOUT = 0.8

_SUFFIX = re.compile(r"^(.+)[-_ .](?:masks?|gt|ground_?truth|labels?|seg|segmentation)$", re.IGNORECASE)


def describe_masks(names: Sequence[str], colours: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return a line for each reason to take some pictures for masks, with the pattern that leaves them out.

    ``colours`` is the column of ``FACTS``, one for each of ``names``.
    """
    lines, told = [], set()
    for pattern, found in (*_find_twins(names).items(), *_find_suffixes(names).items()):
        lines.append(f"{len(found):,} images have the name of another image in their folder, {_advise(found, pattern)}")
        told.update(found)
    # A mask of one value is that of a part without a defect.
    flat = [name for name, number in zip(names, colours.tolist(), strict=True) if number]
    num_new = sum(number == 2 and name not in told for name, number in zip(names, colours.tolist(), strict=True))
    if num_new >= MIN_MASKS and len(names) - len(flat) >= MIN_MASKS:
        lines.append(
            f"{len(flat):,} of {len(names):,} images have only two values, {_advise(flat, _guess(flat, names))}"
        )
    return tuple(lines)


def _advise(found: Sequence[str], pattern: str) -> str:
    how = f"data.exclude='[{pattern}]' leaves them out" if pattern else "data.exclude leaves out what it names"
    return f"probably masks: {shorten(found, limit=2)}; {how}"


def _find_twins(names: Sequence[str]) -> dict[str, list[str]]:
    """Return images that have the stem of another one throughout a folder, by the pattern of their extension.

    Of two extensions, the one that keeps values without loss is taken for the masks.
    """
    if len({name.rpartition(".")[2] for name in names}) < 2:
        return {}
    folders: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in names:
        stem, _, extension = name.rpartition(".")
        folders[stem.rpartition("/")[0]][extension].add(stem)
    found: dict[str, list[str]] = defaultdict(list)
    for stems in folders.values():
        # Lossless formats first, then the rarer extension.
        ranked = sorted(stems, key=lambda one: (one.lower() in ("jpg", "jpeg", "jfif", "webp"), len(stems[one]), one))
        for place, extension in enumerate(ranked):
            others = set().union(*(stems[other] for other in ranked[place + 1 :]))
            twins = stems[extension] & others
            if len(twins) >= max(MIN_MASKS, _THROUGHOUT * len(stems[extension])):
                found[f"*.{extension}"] += sorted(f"{stem}.{extension}" for stem in twins)
    return dict(found)


def _find_suffixes(names: Sequence[str]) -> dict[str, list[str]]:
    """Return images whose stem is that of another in their folder with a word such as ``_mask``, by that pattern."""
    stems = {name.rpartition(".")[0] for name in names}
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stem = name.rpartition(".")[0]
        match = _SUFFIX.match(stem)
        if match and match[1] in stems:
            found[f"*{stem[len(match[1]) :]}.*"].append(name)
    return {pattern: some for pattern, some in found.items() if len(some) >= MIN_MASKS}


def _guess(found: Sequence[str], names: Sequence[str]) -> str:
    """Return a pattern on the extension that selects exactly ``found``; or "" if none does."""
    wanted, all_ = (_count_extensions(some) for some in (found, names))
    return f"*.{next(iter(wanted))}" if len(wanted) == 1 and wanted.items() <= all_.items() else ""


def _count_extensions(names: Sequence[str]) -> Mapping[str, int]:
    return Counter(name.rpartition(".")[2] for name in names)
