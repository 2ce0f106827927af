"""The page ``report.html`` of a run or of a failure analysis, from the records in its folder alone."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from compression.artifact import read_contents
from compression.core.errors import ArtifactError, InputError
from compression.core.file_names import (
    ARTIFACT,
    CONFIG,
    FAILURE_MODES,
    FAILURES,
    METRICS,
    PAGE,
    PICTURES,
    TRAINING_HISTORY,
)
from compression.reporting.byte_shares import PARTS, count_formula, count_parts
from compression.reporting.page.failure_page import make_failure_page
from compression.reporting.page.rendering import render_page
from compression.reporting.page.run_page import RunRecords, make_run_page
from compression.reporting.page.run_sections import Histories
from compression.stage_store.manifest import read_record
from compression.stage_store.references import STAGES_FILE
from compression.system.files import write_atomic

_STORE = "store"


def write_run_html(folder: Path) -> Path:
    """Write the page of the run in ``folder`` and return its path. Raises InputError for records that are damaged."""
    metrics = _read_json(folder / METRICS)
    parts, formula = _read_parts(folder, metrics)
    failures = folder / FAILURES / FAILURE_MODES
    # Without an analysis of this run, the folder may hold one of an earlier run.
    analyzed = failures.is_file() and not (isinstance(metrics, dict) and metrics.get("failure_modes", "") is None)
    name = folder.resolve().name
    configuration = folder / CONFIG
    records = RunRecords(
        name=name,
        metrics=metrics,
        failures=_read_json(failures) if analyzed else None,
        configuration=configuration.read_text(errors="replace") if configuration.exists() else None,
        histories=read_histories(folder),
        parts={PARTS[key]: count for key, count in parts.items() if key in PARTS},
        formula=formula,
        pictures=folder / PICTURES,
        failure_pictures=failures.parent,
        remake=("python -m compression report . --html  # this page, in this folder",),
    )
    try:
        html = render_page(make_run_page(records))
    except InputError as error:
        raise InputError(f"{folder / METRICS}: {error}") from error
    return _write(folder, html)


def find_analysis(folder: Path) -> Path | None:
    """Return the folder with the record of a failure analysis: ``folder`` itself, or one in it. None if neither is."""
    return next((one for one in (folder, folder / FAILURES) if (one / FAILURE_MODES).is_file()), None)


def write_failure_html(folder: Path, *, remake: tuple[str, ...] = ()) -> Path:
    """Write the page of a failure analysis into ``folder`` and return its path.

    ``remake`` are the commands that made it. Raises InputError if there is no record, or a damaged one.
    """
    analysis = find_analysis(folder)
    if analysis is None:
        raise InputError(f"{folder}: no {FAILURE_MODES} here; allowed: a folder that `compression analyze` wrote")
    document = _read_json(analysis / FAILURE_MODES)
    try:
        page = make_failure_page(document, name=folder.resolve().name, pictures=analysis, remake=remake)
    except InputError as error:
        raise InputError(f"{analysis / FAILURE_MODES}: {error}") from error
    return _write(folder, render_page(page))


def read_histories(folder: Path) -> Histories:
    """Return the rows of every epoch by stage, from the run's own record, else from the store beside the run.

    Nothing is an error here: a run without these records has a page without curves.
    """
    own = folder / TRAINING_HISTORY
    if own.exists():
        return _keep_rows(_read_json(own))
    found = {}
    for path in _find_stages(folder):
        try:
            record = read_record(path)
        except (OSError, ValueError):
            continue
        found[record["key"]["stage"]] = record["results"].get("history") or []
    return _keep_rows(found)


def write_histories(folder: Path, histories: Histories) -> None:
    """Write the rows of every epoch by stage into the folder of a run."""
    write_atomic(folder / TRAINING_HISTORY, (json.dumps(histories, indent=1) + "\n").encode())


def _find_stages(folder: Path) -> Iterator[Path]:
    """Yield the folders of the run's stages in the store beside the run, or beside its sweep."""
    listed = folder / STAGES_FILE
    names = listed.read_text(errors="replace").splitlines() if listed.exists() else []
    for name in names:
        for parent in (folder.resolve().parent, folder.resolve().parent.parent):
            # A name from a file must not lead out of the store.
            if Path(name).name == name and (parent / _STORE / name).is_dir():
                yield parent / _STORE / name
                break


def _keep_rows(found: Any) -> dict[str, list[Mapping[str, float | int]]]:
    """Return the finite numbers of every row of a record of unknown origin."""
    if not isinstance(found, dict):
        return {}
    return {
        str(stage): [
            {str(key): value for key, value in row.items() if _is_number(value)}
            for row in rows
            if isinstance(row, dict)
        ]
        for stage, rows in found.items()
        if isinstance(rows, list) and rows
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _read_parts(folder: Path, metrics: Any) -> tuple[dict[str, int], int | None]:
    """Return the bytes of the artifact by purpose and by formula: from the record, else from the file; else nothing."""
    try:
        counted = metrics["compressed"]["bytes"]
        return dict(counted["parts"]), int(counted["formula"])
    except (LookupError, TypeError, ValueError):
        pass
    try:
        contents = read_contents(folder / ARTIFACT)
        return count_parts(contents), count_formula(contents, contents.decode(max_bytes=None))
    except (ArtifactError, OSError):
        return {}, None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path}: is not JSON") from error


def _write(folder: Path, html: bytes) -> Path:
    write_atomic(folder / PAGE, html)
    return folder / PAGE
