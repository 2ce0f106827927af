"""The pruned models of a sweep, before quantization: a folder for each one that jobs were made from."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compression.config.compose import compose_job
from compression.core.errors import InputError
from compression.core.file_names import ARTIFACT, METRICS, ONNX
from compression.sweep.job_grid import name_job
from compression.sweep.jobs import FINISHED, Job, Sweep, read_json, read_state

# The stages that leave a pruned network, the last one first.
_STAGES = ("finetune", "compact", "prune")
# Axes of what happens to a pruned model afterwards.
_LATER = ("bits", "weight_bits", "activation_bits", "quantization", "storage", "runtime")
_FILES = (ARTIFACT, ONNX)


@dataclass(frozen=True)
class Pruned:
    """A pruned model: the name of its ``stage`` in the store, its target ``sparsity``, and the jobs made from it.

    ``whole`` is a job that is not quantized, so that its files are those of this model.
    """

    stage: str
    sparsity: float
    jobs: tuple[Job, ...]
    whole: Job | None


def leave_pruned_models(sweep: Sweep) -> list[str]:
    """Write ``model.cmp`` and ``model.onnx`` of each pruned model that jobs of ``sweep`` share or quantize.

    Return the names of the folders, such as ``pruned_s50``. A model whose stages have left the store is left out, and
    so is one whose file cannot be written, with a line that gives the reason.
    """
    found = find_pruned(sweep)
    left = []
    for name, pruned in zip(name_pruned(found, sweep.axes), found, strict=True):
        try:
            if _leave(sweep.folder, sweep.folder / name, pruned):
                left.append(name)
        except (InputError, OSError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
    return left


def find_pruned(sweep: Sweep) -> list[Pruned]:
    """Return the pruned models that several finished jobs of the grid share, or that one of them quantizes."""
    groups: dict[str, list[tuple[Job, Mapping[str, Any]]]] = {}
    for job in sweep.jobs:
        run = _read_run(sweep.folder / job.name) if job.kind == "grid" else None
        stages: Mapping[str, str] = {} if run is None else run["stages"]
        stage = next((one for one in _STAGES if one in stages), None)
        if run is not None and stage is not None:
            groups.setdefault(f"{stage}-{stages[stage]}", []).append((job, run))
    found = []
    for stage, members in groups.items():
        whole = next((job for job, run in members if "quantize" not in run["stages"]), None)
        if whole is None or len(members) > 1:
            sparsity = members[0][1]["target_sparsity"]
            found.append(Pruned(stage, sparsity, tuple(job for job, _ in members), whole))
    return found


def name_pruned(found: Sequence[Pruned], axes: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a name for each model: its values on the axes by which the models differ, or its sparsity."""
    places = [{key: pruned.jobs[0].axes[key] for key in axes if _is_shared(key, pruned)} for pruned in found]
    varying = [key for key in axes if key == "sparsity" or len({str(place.get(key)) for place in places}) > 1]
    names = []
    for pruned, place in zip(found, places, strict=True):
        kept = {key: place[key] for key in varying if key in place} or {"sparsity": pruned.sparsity}
        names.append(f"pruned_{name_job(kept, '')}")
    twice = {name for name in names if names.count(name) > 1}
    return [
        f"{name}-{pruned.stage.rpartition('-')[2][:6]}" if name in twice else name
        for name, pruned in zip(names, found, strict=True)
    ]


def _is_shared(key: str, pruned: Pruned) -> bool:
    values = {str(job.axes.get(key)) for job in pruned.jobs}
    later = key.replace("/", ".").split(".")[0] in _LATER
    return not later and len(values) == 1 and key in pruned.jobs[0].axes


def _read_run(folder: Path) -> Mapping[str, Any] | None:
    """Return the section ``run`` of a finished job's metrics, or None if it is not finished or cannot be read."""
    if read_state(folder).status != FINISHED:
        return None
    try:
        run = read_json(folder / METRICS)["run"]
        complete = isinstance(run["stages"], Mapping) and isinstance(run["target_sparsity"], (int, float))
    except (KeyError, TypeError, ValueError):
        return None
    return run if complete else None


def _leave(sweep: Path, folder: Path, pruned: Pruned) -> bool:
    # Imported late, because they import torch.
    from compression.run.pipeline import export_network
    from compression.run.report.model_files import copy_file
    from compression.stage_store.references import STAGES_FILE, refer

    listed = folder / STAGES_FILE
    known = listed.read_text().splitlines() if listed.is_file() else []
    if pruned.stage in known and all((folder / name).is_file() for name in _FILES):
        return True
    if pruned.whole is not None:
        refer(folder, pruned.stage)
        for name in _FILES:
            copy_file(sweep / pruned.whole.name / name, folder / name)
        return True
    config, _ = compose_job(pruned.jobs[0].overrides)
    return export_network(replace(config, until=pruned.stage.partition("-")[0]), run_dir=folder)
