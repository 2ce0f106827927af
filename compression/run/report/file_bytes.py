"""The bytes of a run's artifacts by purpose, and by the formula that most papers report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compression.artifact import read_contents
from compression.reporting.byte_shares import count_formula, count_parts


def with_byte_parts(evaluated: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """Return the results of the evaluate stage with ``bytes.parts`` and ``bytes.formula`` of each artifact.

    ``files`` are the artifacts of the dense and of the compressed model.
    """
    return {**evaluated, **{side: _add_parts(evaluated[side], path) for side, path in files.items()}}


def _add_parts(results: Mapping[str, Any], path: Path) -> dict[str, Any]:
    contents = read_contents(path)
    # This is our own file, so no limit on its size is needed.
    formula = count_formula(contents, contents.decode(max_bytes=None))
    return {**results, "bytes": {**results["bytes"], "parts": count_parts(contents), "formula": formula}}
