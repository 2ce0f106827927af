"""The leaderboard of a sweep's page, with the limits and choices that fade its rows."""

from typing import Any
from urllib.parse import quote

from compression.core.sizes import format_size
from compression.reporting.page.page_blocks import Cell, Choice, Controls, Limit, Table
from compression.sweep.axis_names import shorten_key
from compression.sweep.report.leaderboard import Answer, Configuration
from compression.sweep.report.pooled_classes import list_class_cells
from compression.sweep.report.seeds import Sample
from compression.sweep.report.sweep_pictures import list_varied

PAGE, MODEL = "report.html", "model.cmp"
_KIB = 2**10
# Columns of figures by class, over the pooled test images of all folds.
BALANCED, WORST = "balanced accuracy, %", "worst class, %"
# With more values, a setting gets no list to choose from.
_MAX_CHOICES = 24


def name_score(answer: Answer) -> str:
    """Return the name of the column with the accuracy that choices are based on."""
    part = "validation" if answer.validated else "chosen by: test"
    return f"{part}, %" if answer.monitor == "accuracy" else f"{part} {answer.score_name}, %"


def name_test(answer: Answer) -> str:
    """Return the name of the column with the same score on test images."""
    return "test, %" if answer.monitor == "accuracy" else f"test {answer.score_name}, %"


def make_controls(answer: Answer) -> Controls:
    """Return limits on the numbers of a configuration, and choices of the settings that differ."""
    accuracy = f"{'Validation' if answer.validated else 'Test'} {answer.score_name}"
    limits = [
        Limit("accuracy", f"{accuracy} at least, %", least=True),
        Limit("lost", "Points lost at most", least=False),
        Limit("kib", "File at most, KiB", least=False),
        Limit("milliseconds", "Latency at most, ms", least=False),
        Limit("sparsity", "Sparsity at least, %", least=True),
    ]
    choices = []
    for key in list_varied(answer):
        values = dict.fromkeys(_write_setting(one.axes.get(key)) for one in answer.configurations)
        if len(values) <= _MAX_CHOICES:
            choices.append(Choice(key, shorten_key(key).replace("_", " "), list(values)))
    return Controls(limits, choices)


def _write_setting(value: Any) -> str:
    return "default" if value is None else f"{value}"


def describe_row(answer: Answer, index: int, one: Configuration) -> dict[str, Any]:
    """Return the values that limits and choices compare."""
    return {
        "id": index,
        "numbers": {
            "accuracy": 100 * one.score.mean,
            "lost": one.drop,
            "kib": one.measured.bytes / _KIB,
            "milliseconds": one.milliseconds,
            "sparsity": 100 * one.measured.sparsity,
        },
        "settings": {key: _write_setting(one.axes.get(key)) for key in list_varied(answer)},
    }


def list_board(answer: Answer) -> Table:
    """Return the table of all configurations, the best first. Links lead to files that exist now."""
    several = any(one.num_planned > 1 for one in answer.configurations)
    models = [find_file(answer, one.job.name, MODEL) for one in answer.configurations]
    columns = [
        "configuration",
        "place",
        *([answer.repeats_name] if several else []),
        name_score(answer),
        name_test(answer),
        *([BALANCED, WORST] if answer.shows_classes else []),
        "points lost",
        "sparsity, %",
        "file",
        "ratio",
        "latency, ms",
        "engine",
        "speed-up",
        *(["model"] if any(models) else []),
    ]
    rows = [
        [*_list_cells(answer, one, several), *([Cell(MODEL if model else "-", href=model)] if any(models) else [])]
        for one, model in zip(answer.configurations, models, strict=True)
    ]
    caption = (
        "Configurations, best first; equal places (=) are not distinguishable. Points lost are of test "
        f"{answer.score_name}."
    )
    ids = list(range(len(rows)))
    return Table(caption, columns, rows, words=("configuration", "engine"), ids=ids)


def _list_cells(answer: Answer, one: Configuration, several: bool) -> list[Cell | str]:
    count = f"{one.num_jobs}" if one.num_jobs >= one.num_planned else f"{one.num_jobs} of {one.num_planned}"
    return [
        Cell(one.label, one.label, find_file(answer, one.job.name, PAGE)),
        Cell(f"{'=' if one.tied else ''}{one.place}", one.place),
        *([Cell(count, one.num_jobs)] if several else []),
        Cell(write_percent(one.score), 100 * one.score.mean),
        Cell(write_percent(one.test), 100 * one.test.mean),
        *(_list_class_cells(one) if answer.shows_classes else []),
        Cell(f"{one.test_drop:+.2f}", one.test_drop),
        Cell(f"{100 * one.measured.sparsity:.1f}", 100 * one.measured.sparsity),
        Cell(format_size(one.measured.bytes), one.measured.bytes),
        Cell(f"{one.ratio:.2f}x", one.ratio),
        Cell("-" if one.latency is None else f"{one.latency.milliseconds:.3g}", one.milliseconds),
        Cell(one.engine or "-", one.engine),
        Cell("-" if one.speedup is None else f"{one.speedup:.2f}x", one.speedup),
    ]


def _list_class_cells(one: Configuration) -> list[Cell | str]:
    balanced, worst = list_class_cells(one.pooled)
    pooled = one.pooled
    return [
        Cell(balanced, None if pooled is None else 100 * pooled.balanced.value),
        Cell(worst, None if pooled is None else 100 * pooled.worst.value),
    ]


def find_file(answer: Answer, job: str, name: str) -> str | None:
    """Return a link from the sweep's folder to a file of a job, if there is such a file."""
    return f"{quote(job)}/{name}" if (answer.sweep.folder / job / name).is_file() else None


def write_percent(sample: Sample) -> str:
    """Return the mean in percent, with half its 95 % interval if there are several seeds."""
    error = "" if sample.half_width is None else f" ± {100 * sample.half_width:.2f}"
    return f"{100 * sample.mean:.2f}{error}"
