"""dense -> distil -> prune -> quantize -> export -> evaluate: every stage asked from the store, or made."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from hydra.utils import instantiate
from torch import nn

from compression.config.schema import STAGES, Config
from compression.config.sweep_name import INVOCATION
from compression.core.counting import count_parameters
from compression.core.errors import InputError
from compression.core.sizes import parse_size
from compression.data.base import Dataset
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.quantization.plan import describe_arithmetic
from compression.reporting.provenance import describe_making
from compression.run.building.network_files import is_compacted, plan_of
from compression.run.building.size_estimate import estimate_bytes
from compression.run.checks.check_model import check_model
from compression.run.checks.check_quantization import check_quantization
from compression.run.checks.check_strategy import check_strategy
from compression.run.context import Context
from compression.run.machine import available_cores, resolve_device, resolve_precision
from compression.run.report.run_report import gather_files, replay_history, write_report
from compression.run.stages import (
    bits,
    compact,
    dense,
    distil,
    evaluate,
    export,
    finetune,
    prune,
    quantize,
    sensitivity,
)
from compression.run.training.ddp import JoiningStore, check_devices, is_helper, local_rank
from compression.run.training.teaching import check_distillation
from compression.stage_store.store import PlanStore, StageRecord, Store, make_room_advice
from compression.storage.codec_registry import get_allowed
from compression.system.disk import disk_full_told

log = logging.getLogger(__name__)


def run(config: Config, *, run_dir: str | Path) -> float:
    """Run the stages up to ``config.until`` and return the objective: the compressed file's test accuracy.

    Where ``until`` stops before the file is measured it is the validation accuracy of the last stage. Raises
    ``InputError`` for anything wrong with the input, before training.
    """
    run_dir = Path(run_dir)
    context = _checked(config, run_dir)
    with _at_work(context):
        records, stage_seconds = _run_stages(context)
        if "evaluate" not in records:
            last = [record for record in records.values() if "val_accuracy" in record.results][-1]
            log.info("stopped after stage %s, as until=%s asks: %s", last.key.stage, config.until, last.path)
            return float(last.results["val_accuracy"])
        metrics = write_report(context, records, stage_seconds)
        log.info("in %s: model.cmp, model.onnx, metrics.json, report.md", run_dir)
        return float(metrics["compressed"]["accuracy"])


def run_stages(config: Config, *, run_dir: Path) -> tuple[Context, dict[str, StageRecord]]:
    """Run the stages up to ``config.until``, and return them by name, without a report of them."""
    context = _checked(config, run_dir)
    with _at_work(context):
        return context, _run_stages(context)[0]


def plan_stages(config: Config, *, run_dir: Path, dataset: Dataset | None = None) -> dict[str, StageRecord]:
    """Return the stages that a run would be made of, by name, with nothing made: some are finished, some planned.

    ``dataset`` is what ``make_dataset`` returns: runs that share it list its files once.
    """
    _quiet_lightning()
    context = make_context(config, run_dir, dataset)
    context = replace(context, store=PlanStore(context.store))
    check(context)
    return _run_stages(context)[0]


def count_network_parameters(config: Config, *, model: Mapping[str, Any]) -> int:
    """Return how many parameters the dense network has with the settings of ``model``; raises ``InputError``."""
    context = make_context(config, Path()).with_model(model)
    return count_parameters(context.build_model(pretrained=False))


def estimate_network_bytes(config: Config, *, model: Mapping[str, Any]) -> int:
    """Return the bytes of ``model.cmp`` with the settings of ``model``, quantized but not pruned, before training."""
    return estimate_bytes(make_context(config, Path()).with_model(model))


def measure_sensitivity(
    config: Config, *, run_dir: Path, kinds: Sequence[str] | None = None
) -> Iterator[SensitivityTable]:
    """Yield the sensitivity of the dense model's layers, one table for each of ``kinds``: weights, channels.

    Without ``kinds`` it is what the model allows. Raises ``InputError`` for a kind it does not, before training.
    """
    if config.trainer.devices > 1:
        raise InputError(f"trainer.devices={config.trainer.devices}: sensitivity is measured by one process; must be 1")
    context = _checked(config, run_dir)
    kinds = _allowed_kinds(context) if kinds is None else kinds
    for kind in kinds:
        sensitivity.check_kind(context, check_model(context), kind)
    with _at_work(context):
        model = _told(context, dense.obtain_dense(context))
        for kind in kinds:
            record = _told(context, sensitivity.obtain_sensitivity(context, model, kind))
            yield SensitivityTable.from_json(record.results)


def _allowed_kinds(context: Context) -> list[str]:
    allowed = []
    for kind in sensitivity.KINDS:
        try:
            sensitivity.check_kind(context, check_model(context), kind)
        except InputError as error:
            log.info("sensitivity  %s left out: %s", kind, error)
        else:
            allowed.append(kind)
    return allowed


def _checked(config: Config, run_dir: Path) -> Context:
    _quiet_lightning()
    context = make_context(config, run_dir)
    check(context)
    return context


def make_dataset(config: Config) -> Dataset:
    """Return the dataset of a run, nothing of it read yet."""
    settings = {key: value for key, value in config.data.items() if key != "stem"}
    dataset: Dataset = instantiate(settings, _convert_="all")
    return dataset


def make_context(config: Config, run_dir: Path, dataset: Dataset | None = None) -> Context:
    """Return the configuration resolved for this machine: device, precision, threads, data, store."""
    threads = config.threads or available_cores()
    torch.set_num_threads(threads)
    device = resolve_device(config.trainer.accelerator)
    check_devices(config, device)
    limit = config.store_max_bytes
    store = Store(
        Path(config.output_dir) / "store",
        invocation=os.environ.get(INVOCATION, f"process {os.getpid()}"),
        overwrite=config.overwrite,
        made_with=describe_making(),
        max_bytes=None if limit is None else parse_size(limit, key="store_max_bytes"),
        run_dir=run_dir,
    )
    if is_helper():
        # The run itself says everything there is to say.
        logging.disable(logging.WARNING)
        store = JoiningStore(store)
        device = torch.device(device.type, local_rank()) if device.type == "cuda" else device
    return Context(
        config=config,
        dataset=make_dataset(config) if dataset is None else dataset,
        store=store,
        run_dir=run_dir,
        device=device,
        precision=resolve_precision(config.trainer.precision, device),
        threads=threads,
    )


def check(context: Context) -> None:
    """Raise ``InputError`` for whatever can be known to be wrong before anything is trained."""
    context.dataset.check()
    config = context.config
    get_allowed(config.storage.codec)
    model = check_model(context)
    student = model if context.student is context else _check_student(context.student)
    if config.strategy.prunes:
        check_strategy(context.student, student)
    if config.quantizes:
        check_quantization(context.student, student)
    dense.check_given_weights(context, model)
    check_distillation(context, model, student)


def _check_student(student: Context) -> nn.Module:
    try:
        return check_model(student)
    except InputError as error:
        # What says "model" of a setting or a network means the student's.
        raise InputError(re.sub(r"^model\b", "distillation.student", str(error))) from error


def _run_stages(context: Context) -> tuple[dict[str, StageRecord], dict[str, float]]:
    until, planning = STAGES.index(context.config.until), isinstance(context.store, PlanStore)
    records = {"dense": _told(context, dense.obtain_dense(context))}
    last = records["dense"]
    strategy, student = context.config.strategy, context.student
    if student is not context and until >= STAGES.index("distil"):
        last = records["distil"] = _told(context, distil.obtain_distilled(student, records["dense"]))
    if strategy.prunes and until >= STAGES.index("prune"):
        last = records["prune"] = _obtain_pruned(student, records)
    if strategy.prunes and strategy.compact and until >= STAGES.index("compact"):
        records["compact"] = _told(context, compact.obtain_compacted(student, last))
        if is_compacted(records["compact"]):
            last = records["compact"]
    if strategy.finetune.epochs and until >= STAGES.index("finetune"):
        tuned = finetune.obtain_finetuned(student, last, teacher=records["dense"])
        last = records["finetune"] = _told(context, tuned)
    if context.config.quantizes and until >= STAGES.index("quantize"):
        if context.config.quantization.allocation.wanted:
            records["bits"] = _told(context, bits.obtain_bit_table(student, last))
        quantized = quantize.obtain_quantized(student, last, records.get("bits"), teacher=records["dense"])
        last = records["quantize"] = _told(context, quantized)
    if until >= STAGES.index("export"):
        files = {
            "dense": export.obtain_exported(context, records["dense"], records["dense"]),
            "compressed": export.obtain_exported(student, last, records["dense"]),
        }
        made = {record.id: record for record in files.values()}
        if planning:
            # It is made as well, and counts.
            records["dense_export"] = files["dense"]
        records["export"] = _told(context, files["compressed"])
        export_seconds = sum(record.seconds for record in made.values())
    if until >= STAGES.index("evaluate"):
        evaluated = evaluate.obtain_evaluated(context, records["dense"], files, records.get("prune"))
        records["evaluate"] = _told(context, evaluated)
        if not planning:
            gather_files(context, records["dense"], files, evaluated)
    seconds = {stage: record.seconds for stage, record in records.items()}
    if "export" in records:
        # The dense model is exported as well; with strategy=none the two are one.
        seconds["export"] = export_seconds
    return records, seconds


def _obtain_pruned(context: Context, records: dict[str, StageRecord]) -> StageRecord:
    table, whole = None, records.get("distil", records["dense"])
    if sensitivity.sensitivity_wanted(context):
        table = sensitivity.read_given_table(context)
        if table is None:
            kind = sensitivity.kind_wanted(context)
            measured = sensitivity.obtain_sensitivity(context, whole, kind)
            records["sensitivity"] = _told(context, measured)
            # Where it is planned, what it will say is not known, and the prune stage's key neither.
            table = None if measured.planned else SensitivityTable.from_json(measured.results)
    pruned = _told(context, prune.obtain_pruned(context, whole, table, teacher=records["dense"]))
    if pruned.results.get("stopped"):
        log.info("prune  %s", pruned.results["stopped"])
    return pruned


def _told(context: Context, record: StageRecord) -> StageRecord:
    if isinstance(context.store, PlanStore):
        return record
    if context.device.type == "cuda":
        # What the stage held is there for the next, and for others on this GPU.
        torch.cuda.empty_cache()
    if is_helper():
        return record
    accuracy = record.results.get("val_accuracy")
    log.info(
        "%s  %s%s",
        record.key.stage,
        "found finished" if record.reused else f"done in {record.seconds:.1f} s",
        "" if accuracy is None else f", validation accuracy {100 * accuracy:.2f} %{_arithmetic(record)}",
    )
    if record.reused:
        replay_history(context, record)
    return record


def _arithmetic(record: StageRecord) -> str:
    plan = plan_of(record)
    return "" if plan is None else f" ({describe_arithmetic(plan)})"


@contextmanager
def _at_work(context: Context) -> Iterator[None]:
    """Be the only process in the run's folder, hold the stages it obtains, and say in one line if a disk is full."""
    root = context.store.root
    finished = False
    with disk_full_told([root, context.run_dir], advice=make_room_advice(root)):
        try:
            with _only_process_in(context.run_dir):
                yield
                finished = True
        finally:
            context.store.release(finished=finished)


@contextmanager
def _only_process_in(run_dir: Path) -> Iterator[None]:
    if is_helper():
        yield
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is at work in %s; waiting for it", run_dir)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _quiet_lightning() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    # It tells of the fonts it finds.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    # Lightning's own use of torch, which no user can change.
    warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\).*")
    # Our loaders hold tensors already on the device; workers would copy them back and forth.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    # A resumed stage goes on in the folder of its last checkpoint.
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
