"""dense -> prune -> export -> evaluate: every stage asked from the store, made where it is not there."""

import json
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from hydra.utils import instantiate
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from compression.config.schema import STAGES, Config
from compression.core.errors import InputError
from compression.core.files import write_atomic
from compression.core.selection import prunable_weights
from compression.data.base import Dataset
from compression.reporting import provenance
from compression.reporting.metrics import flatten, make_metrics
from compression.reporting.table import make_rows, to_markdown, to_rich
from compression.stages import dense, evaluate, export, prune
from compression.stages.context import Context
from compression.stages.fit import make_logger
from compression.store import Store, StageRecord

log = logging.getLogger(__name__)


def run(config: Config, *, run_dir: str | Path) -> float | None:
    """Run the stages up to ``config.until`` and return the objective: the compressed file's test accuracy.

    Before the last stage there is none, and the validation accuracy is returned. Raises ``InputError`` for anything
    wrong with the input, before training.
    """
    run_dir = Path(run_dir)
    _quiet_lightning()
    context = make_context(config, run_dir)
    check(context)
    with _only_process_in(run_dir):
        records = _run_stages(context)
        if "evaluate" not in records:
            last = list(records.values())[-1]
            log.info("stopped after stage %s as asked; its files are in %s", config.until, last.path)
            return float(last.results["val_accuracy"])
        return _report(context, records)


def make_context(config: Config, run_dir: Path) -> Context:
    """Return the configuration resolved for this machine: device, precision, threads, data, store."""
    threads = config.threads or _available_cores()
    torch.set_num_threads(threads)
    device = _resolve_device(config.trainer.accelerator)
    return Context(
        config=config,
        dataset=_make_dataset(config),
        store=Store(
            Path(config.output_dir) / "store",
            invocation=os.environ.get("COMPRESSION_INVOCATION", f"process-{os.getpid()}"),
            overwrite=config.overwrite,
        ),
        run_dir=run_dir,
        device=device,
        precision=_resolve_precision(config.trainer.precision, device),
        threads=threads,
    )


def check(context: Context) -> None:
    """Raise ``InputError`` for whatever can be known to be wrong before anything is trained."""
    context.dataset.check()
    config = context.config
    model = context.build_model(pretrained=False)
    weights = prunable_weights(model)
    if config.strategy.prunes:
        if not weights:
            raise InputError(f"model {config.model['_target_']} has no convolution or linear layer to prune")
        prune.make_strategy(context).check(weights)
    dense.check_given_weights(context, model)


def _run_stages(context: Context) -> dict[str, StageRecord]:
    until = STAGES.index(context.config.until)
    records = {"dense": _told(context, dense.obtain_dense(context))}
    if until >= STAGES.index("prune") and context.config.strategy.prunes:
        records["prune"] = _told(context, prune.obtain_pruned(context, records["dense"]))
    if until >= STAGES.index("export"):
        last = list(records.values())[-1]
        files = {name: export.obtain_exported(context, made) for name, made in (("dense", records["dense"]), ("compressed", last))}
        records["export"] = _told(context, files["compressed"])
        made = evaluate.obtain_evaluated(context, records["dense"], files["dense"], files["compressed"])
        records["evaluate"] = _told(context, made)
        _gather_files(context, records, files)
    return records


def _told(context: Context, record: StageRecord) -> StageRecord:
    stage, results = record.key.stage, record.results
    note = "found finished" if record.reused else f"done in {record.seconds:.1f} s"
    accuracy = f", validation accuracy {100 * results['val_accuracy']:.2f} %" if "val_accuracy" in results else ""
    log.info("%s  %s%s", stage, note, accuracy)
    if record.reused and results.get("history") and not (context.run_dir / "tensorboard" / stage).exists():
        # The run that made this stage has its curves; this run's picture should be whole as well.
        logger = make_logger(context, stage)
        for row in results["history"]:
            logger.log_metrics({k: v for k, v in row.items() if k != "update"}, step=int(row["update"]))
        logger.finalize("success")
    return record


def _gather_files(context: Context, records: dict[str, StageRecord], files: dict[str, StageRecord]) -> None:
    """Copy what the run is for into its folder; the store keeps its own, so that no edit reaches it."""
    wanted = {
        "model.cmp": files["compressed"].path / export.ARTIFACT,
        "model.onnx": files["compressed"].path / export.ONNX,
        "dense.safetensors": records["dense"].path / dense.WEIGHTS,
        "dense.onnx": files["dense"].path / export.ONNX,
    }
    for name, source in wanted.items():
        temporary = context.run_dir / f".{name}.tmp"
        shutil.copyfile(source, temporary)
        temporary.replace(context.run_dir / name)


def _report(context: Context, records: dict[str, StageRecord]) -> float:
    metrics = make_metrics(
        run=_describe_run(context, records),
        evaluated=records["evaluate"].results,
        stage_seconds={stage: record.seconds for stage, record in records.items()},
        provenance={
            "machine": provenance.describe_machine(),
            "software": provenance.describe_software(),
            "git_commit": provenance.git_commit(Path(__file__).parent),
            "command": sys.argv,
            "finished": provenance.now(),
        },
    )
    write_atomic(context.run_dir / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    rows = make_rows(metrics)
    title = f"{context.run_dir.name} ({metrics['compressed']['test_images']} test images)"
    markdown = f"# {title}\n\n{to_markdown(rows)}"
    write_atomic(context.run_dir / "report.md", markdown.encode())
    _log_summary(context, metrics, markdown)
    Console().print(to_rich(rows, title))
    log.info("written to %s: model.cmp, model.onnx, metrics.json, report.md", context.run_dir)
    return float(metrics["compressed"]["accuracy"])


def _describe_run(context: Context, records: dict[str, StageRecord]) -> dict[str, Any]:
    config = context.config
    return {
        "name": context.run_dir.name,
        "data": config.data["_target_"],
        "model": config.model["_target_"],
        "strategy": config.strategy.name,
        "target_sparsity": config.target_sparsity,
        "weight_bits": config.weight_bits,
        "activation_bits": config.activation_bits,
        "seed": config.seed,
        "threads": context.threads,
        "precision": context.precision,
        "device": context.device.type,
        "batch_size": context.batch_size,
        "stages": {stage: record.id for stage, record in records.items() if stage != "evaluate"},
        "val_accuracy": {
            stage: record.results["val_accuracy"] for stage, record in records.items() if "val_accuracy" in record.results
        },
    }


def _log_summary(context: Context, metrics: dict[str, Any], markdown: str) -> None:
    logger = make_logger(context, "summary")
    logger.log_metrics(flatten({key: metrics[key] for key in ("dense", "compressed", "improvement")}), step=0)
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text("result", markdown)
    logger.finalize("success")


def _make_dataset(config: Config) -> Dataset:
    settings = {key: value for key, value in config.data.items() if key != "stem"}
    dataset: Dataset = instantiate(settings)
    return dataset


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _resolve_device(accelerator: str) -> torch.device:
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError("trainer.accelerator=cuda: no CUDA device is available; allowed here: auto, cpu")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise InputError("trainer.accelerator=mps: no Apple GPU is available; allowed here: auto, cpu")
    return torch.device(accelerator, 0) if accelerator == "cuda" else torch.device(accelerator)


def _resolve_precision(precision: str, device: torch.device) -> str:
    if precision != "auto":
        return precision
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if native else "32-true"


def _only_process_in(run_dir: Path) -> FileLock:
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process is working in {run_dir}; wait for it, or give this run a name=") from None
    return lock


def _quiet_lightning() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # Lightning's own use of torch, which no user can change.
    warnings.filterwarnings("ignore", ".*isinstance\\(treespec, LeafSpec\\).*")
    # Our loaders hold tensors already on the device; workers would copy them back and forth.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")


