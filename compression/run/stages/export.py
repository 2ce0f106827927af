"""The export stages: the dense and the compressed model, written as an artifact and as ONNX."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import compression
from compression.artifact import save_artifact
from compression.callbacks.class_counts import ClassCounts
from compression.callbacks.export_after_validation import ExportCallback
from compression.config.rules import result_settings
from compression.core.counting import count_layer_weights, model_sparsity
from compression.core.file_names import ARTIFACT, ONNX, WEIGHTS
from compression.models.registry import is_own_family
from compression.run.building.network_files import describe_architecture, is_compacted, load_network, plan_of
from compression.run.context import Context
from compression.run.stage import Finished
from compression.run.training.task import validate
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 7


def obtain_dense_export(context: Context, made: Finished) -> StageRecord:
    """Return the files of the dense model."""
    return _obtain(context, made["dense"], made["dense"], lineage=[made["dense"]])


def obtain_exported(context: Context, made: Finished) -> StageRecord:
    """Return the files of the newest network. They record the size of the dense model, to compute ratios."""
    return _obtain(context.student, made.network, made["dense"], lineage=made.lineage)


def _obtain(
    context: Context, parent: StageRecord, dense_model: StageRecord, *, lineage: Sequence[StageRecord]
) -> StageRecord:
    inputs = {
        "storage": result_settings(context.config.storage),
        "strategy": _strategy_name(context, parent),
        "arithmetic": context.machine.identity,
    }
    if not is_own_family(context.architecture["target"]):
        # Files of networks that read what an activation in place has overwritten computed something else.
        inputs["in_place"] = "overwritten values are read"
    key = StageKey("export", VERSION, inputs, parents=(parent.id, dense_model.id))
    return context.store.obtain(key, partial(_export, context, parent, dense_model, lineage))


def _export(
    context: Context, parent: StageRecord, dense_model: StageRecord, lineage: Sequence[StageRecord], folder: Path
) -> Made:
    counts = ClassCounts(context.data.num_classes)

    def write(model: nn.Module) -> None:
        known = {
            "dense_bytes": (dense_model.path / WEIGHTS).stat().st_size,
            "data": data_facts(context),
            "seed": context.config.seed,
            "stages": [record.key.stage for record in lineage],
            # Counts, and not fractions: accuracy, its interval and that of each class follow from them exactly.
            "validation": {"correct": counts.hits.tolist(), "images": counts.totals.tolist()},
        }
        _write(context, parent, known, folder, model)

    callbacks = [counts, ExportCallback(write)]
    return Made(validate(context, load_network(context, parent), callbacks=callbacks).to_results())


def _write(context: Context, parent: StageRecord, known: Mapping[str, Any], folder: Path, model: nn.Module) -> None:
    # Imported late, so that onnx and onnxscript do not delay the first epoch, nor a run whose exports are finished.
    from compression.runtimes.onnx_export import export_onnx

    images = context.data.images
    model = model.cpu().eval()
    info: dict[str, Any] = {
        "strategy": _strategy_name(context, parent),
        "sparsity": model_sparsity(model, count_layer_weights(context.build_model(pretrained=False))),
        "versions": {"compression": compression.__version__, "torch": torch.__version__},
        **known,
    }
    if parent.key.stage != "dense" and context.config.distillation.teaches:
        info["distillation"] = context.config.distillation.name
    save_artifact(
        folder / ARTIFACT,
        model,
        architecture=describe_architecture(context, compacted=is_compacted(parent)),
        class_names=images.class_names,
        input=context.data.input_spec,
        plan=plan_of(parent),
        codec=context.config.storage.codec,
        fold_bn=context.config.storage.fold_bn,
        info=info,
    )
    export_onnx(
        model,
        folder / ONNX,
        image_size=images.image_size,
        class_names=images.class_names,
        mean=images.mean,
        std=images.std,
        preparation=context.data.dataset.preparation,
    )


def data_facts(context: Context) -> dict[str, Any]:
    """Return the facts about the images that a file carries: name, fingerprint (16 hex digits), number of images."""
    images = context.data.images
    return {
        "name": images.name,
        "fingerprint": context.data.fingerprint[:16],
        "images": {"train": len(images.train), "val": len(images.val), "test": len(images.test)},
    }


def _strategy_name(context: Context, parent: StageRecord) -> str:
    return "none" if parent.key.stage == "dense" else context.config.strategy.name
