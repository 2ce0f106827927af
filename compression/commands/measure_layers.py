"""The command ``sensitivity``: accuracy with one layer pruned at a time, as tables, pictures and JSON files."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compression.commands.text_table import format_table
from compression.config.compose import compose_run
from compression.config.override_text import key_of
from compression.config.schema import Config
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.reporting.figures import save_figure
from compression.run.report.run_pictures import draw_sensitivity
from compression.run.sensitivity_only import sensitivity_without_run
from compression.system.files import write_atomic

# Keys of compression, which the dense model does not depend on.
_NOT_DENSE = ("strategy", "sparsity", "distillation")


def run_sensitivity(overrides: Sequence[str], *, kinds: Sequence[str] | None) -> tuple[str, Path]:
    """Measure the dense model of ``overrides``. Return the tables as text, and the folder of the written files.

    For each of ``kinds`` (weights, channels; None: those that the model allows) it writes a picture and a JSON file,
    which ``strategy.allocation.file`` reads. Raises ``InputError``.
    """
    config, run_dir = _compose_dense(overrides)
    folder = Path(config.output_dir) / f"sensitivity-{run_dir.name}"
    texts = []
    for table in sensitivity_without_run(config, run_dir=folder, kinds=kinds):
        write_atomic(folder / f"{table.kind}.json", (json.dumps(table.to_json(), indent=1) + "\n").encode())
        for name, figure in draw_sensitivity(table).items():
            save_figure(figure, folder / f"{name}.png")
        texts.append(_format(table))
    return "\n\n".join(texts), folder


def _compose_dense(overrides: Sequence[str]) -> tuple[Config, Path]:
    """Return the configuration of the dense model of ``overrides``, and the folder of such a run."""
    # The dense model depends neither on the pruning strategy nor on distillation.
    others = [text for text in overrides if _first_of(text) not in _NOT_DENSE]
    plain, _ = compose_run(["strategy=none"])
    # An experiment sets parts of a strategy, which fit that strategy only. So it is composed with its own.
    chosen = [] if any(_first_of(text) == "experiment" for text in others) else ["strategy=none"]
    config, run_dir = compose_run([*others, *chosen])
    return replace(config, strategy=plain.strategy, sparsity=None, distillation=plain.distillation), run_dir


def _first_of(override: str) -> str:
    """Return the first part of the key of an override, e.g. ``strategy`` of ``strategy.recovery.epochs=1``."""
    return re.split(r"[./]", key_of(override), maxsplit=1)[0]


def _format(table: SensitivityTable) -> str:
    grid = sorted({sparsity for row in table.accuracy.values() for sparsity in row})
    header = (f"layer, {table.kind}", "size", *(f"{100 * sparsity:g} %" for sparsity in grid))
    rows = [
        (name, f"{table.sizes[name]:,}", *(f"{100 * row[sparsity]:.2f}" for sparsity in grid))
        for name, row in table.accuracy.items()
    ]
    title = (
        f"Accuracy in % with one layer pruned, on {table.images:,} held-out images; {100 * table.baseline:.2f} % dense"
    )
    return f"{title}\n\n{format_table(header, rows=rows, right=tuple(range(1, len(header))))}"
