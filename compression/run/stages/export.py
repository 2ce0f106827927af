"""The export stage: validate a model a last time and write it as an artifact and as ONNX."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import compression
from compression.artifact import save_artifact
from compression.callbacks.export_after_validation import ExportCallback
from compression.core.counting import count_layer_weights, model_sparsity
from compression.run.building.network_files import WEIGHTS, describe_architecture, is_compacted, load_network, plan_of
from compression.run.context import Context
from compression.run.stages import dense
from compression.run.training.fit import make_trainer
from compression.runtimes.onnx_export import export_onnx
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 5
ARTIFACT = "model.cmp"
ONNX = "model.onnx"


def obtain_exported(context: Context, parent: StageRecord, dense_model: StageRecord) -> StageRecord:
    """Return the files of the model that ``parent`` made; they name the bytes of ``dense_model``, as safetensors."""
    inputs = {
        "storage": asdict(context.config.storage),
        "strategy": _strategy_name(context, parent),
        "arithmetic": context.arithmetic_identity,
    }
    key = StageKey("export", VERSION, inputs, parents=(parent.id, dense_model.id))
    return context.store.obtain(key, partial(_export, context, parent, dense_model))


def _export(context: Context, parent: StageRecord, dense_model: StageRecord, folder: Path) -> Made:
    dense_bytes = (dense_model.path / WEIGHTS).stat().st_size
    task = dense.make_task(context, load_network(context, parent), dense.constant_lr)
    export = ExportCallback(partial(_write, context, parent, dense_bytes, folder))
    trainer = make_trainer(context, callbacks=[export], logger=False, enable_checkpointing=False)
    [metrics] = trainer.validate(task, context.val_batches(), verbose=False)
    return Made({"val_accuracy": metrics["val/accuracy"]})


def _write(context: Context, parent: StageRecord, dense_bytes: int, folder: Path, model: nn.Module) -> None:
    data = context.data
    model = model.cpu().eval()
    info: dict[str, Any] = {
        "strategy": _strategy_name(context, parent),
        "sparsity": model_sparsity(model, count_layer_weights(context.build_model(pretrained=False))),
        "versions": {"compression": compression.__version__, "torch": torch.__version__},
    }
    info["dense_bytes"] = dense_bytes
    if parent.key.stage != "dense" and context.config.distillation.teaches:
        info["distillation"] = context.config.distillation.name
    save_artifact(
        folder / ARTIFACT,
        model,
        architecture=describe_architecture(context, compacted=is_compacted(parent)),
        class_names=data.class_names,
        input={"size": data.image_size, "mean": data.mean, "std": data.std},
        plan=plan_of(parent),
        codec=context.config.storage.codec,
        fold_bn=context.config.storage.fold_bn,
        info=info,
    )
    export_onnx(
        model,
        folder / ONNX,
        image_size=data.image_size,
        class_names=data.class_names,
        mean=data.mean,
        std=data.std,
    )


def _strategy_name(context: Context, parent: StageRecord) -> str:
    return "none" if parent.key.stage == "dense" else context.config.strategy.name
