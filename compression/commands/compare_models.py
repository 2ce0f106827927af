"""The command ``compare``: model files side by side, with size, accuracy, latency and agreement of predictions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compression.artifact import Artifact
from compression.commands.compared_file import ComparedFile
from compression.commands.predict_images import make_predictor, predict_images
from compression.commands.processor_note import NUM_IMAGES, measure_parity
from compression.commands.text_table import format_table
from compression.core.errors import InputError
from compression.core.preparation import COLOUR_NAMES
from compression.reporting.byte_shares import PARTS
from compression.reporting.metrics import is_imitation
from compression.reporting.parity_text import format_relative_error
from compression.reporting.result_table import format_speedup
from compression.runtimes.engines import ENGINES
from compression.runtimes.measure import LatencyRecord, compare_rounds, measure_alternating
from compression.runtimes.runtime import Predictor

Row = tuple[str, ...]


@dataclass(frozen=True)
class Measuring:
    """Settings of a latency measurement, as in ``conf/runtime``.

    ``engines`` are timed in turns. Without any, these are onnxruntime, and sparse if it can run all files.
    """

    engines: Sequence[str]
    batch_size: int
    threads: int
    warmup: int = 5
    repeats: int = 30


def compare_files(
    files: Sequence[ComparedFile],
    *,
    measuring: Measuring | None = None,
    images: Sequence[Path] = (),
    engine: str = "onnxruntime",
    threads: int = 1,
) -> str:
    """Return a table with one column per file; the others are compared with the first file.

    With ``measuring``, all files are timed in turns, and the integers of quantized files are compared with their
    simulation on this processor. With ``images``, rows say how often two files predict the same class in ``engine``.
    Raises InputError.
    """
    notes = [f"file {number}: {note}" for number, file in enumerate(files, 1) if (note := file.saturation) is not None]
    rows = [*_describe(files), *_describe_bytes(files), *_describe_found(files)]
    if images:
        _check_classes(files)
    if measuring is not None:
        loaded = _load_engines(files, measuring, notes)
        rows += _measure(files, loaded, measuring)
        rows += _measure_parity(files, loaded, threads=measuring.threads)
    if images:
        predictors = [make_predictor(file.artifact, engine=engine, threads=threads) for file in files]
        rows += _agreement(files, predictors, images)
    legend = "\n".join(f"{number}  {file.path}" for number, file in enumerate(files, 1))
    header = ("", *(str(number) for number in range(1, len(files) + 1)))
    table = format_table(header, rows=rows, right=range(1, len(header)))
    return "\n\n".join((legend, table, *notes))


def _describe(files: Sequence[ComparedFile]) -> Iterator[Row]:
    yield _row("architecture", files, lambda file: file.artifact.card.architecture.target.rpartition(".")[2])
    yield _row("classes", files, lambda file: str(len(file.artifact.class_names)))
    yield _row("input", files, lambda file: _describe_input(file.artifact))
    yield _row("arithmetic", files, lambda file: file.arithmetic)
    yield _row("parameters", files, lambda file: f"{file.counts['parameters']:,}")
    yield _row("non-zero parameters", files, lambda file: f"{file.counts['nonzero']:,}")
    yield _row("sparsity of weights", files, lambda file: f"{100 * file.counts['sparsity']:.2f} %")
    yield _row("MACs per image", files, lambda file: f"{file.counts['macs']:,}")
    yield _row("  of non-zero weights", files, lambda file: f"{file.counts['nonzero_macs']:,}")


def _describe_bytes(files: Sequence[ComparedFile]) -> Iterator[Row]:
    yield _row("bytes", files, lambda file: f"{file.num_bytes:,}")
    for part in PARTS.values():
        yield _row(f"  {part}", files, lambda file, part=part: f"{file.shares.get(part, 0):,}")  # type: ignore[misc]
    yield _row("dense model, safetensors", files, lambda file: _or_dash(file.dense_bytes, "{:,}"))
    yield _row("times smaller", files, lambda f: _or_dash(f.dense_bytes and f.dense_bytes / f.num_bytes, "{:.2f}x"))


def _describe_found(files: Sequence[ComparedFile]) -> Iterator[Row]:
    """Yield the results of each file's own run. Runs may differ in data set and machine."""
    runs = [file.run for file in files]
    if any(runs):
        yield ("test accuracy", *(f"{100 * run.accuracy:.2f} %" if run else "-" for run in runs))
        yield ("  against its dense model", *(f"{run.gain:+.2f} points" if run else "-" for run in runs))
    latencies = [run and run.latency for run in runs]
    if any(latencies):
        yield ("latency in its own run", *(f"{one.median:.2f} ms" if one else "-" for one in latencies))
        yield ("  engine", *(one.engine if one else "-" for one in latencies))
        yield ("  batch", *(str(one.batch_size) if one else "-" for one in latencies))


def _load_engines(files: Sequence[ComparedFile], how: Measuring, notes: list[str]) -> dict[str, Sequence[Predictor]]:
    """Return a predictor per file for each engine; the reason for an engine that is left out is added to ``notes``."""
    loaded: dict[str, Sequence[Predictor]] = {}
    for engine in how.engines or ("onnxruntime", "sparse"):
        try:
            loaded[engine] = [
                make_predictor(file.artifact, engine=engine, threads=how.threads, batch_sizes=[how.batch_size])
                for file in files
            ]
        except InputError as error:
            if how.engines or not ENGINES[engine].compiles:
                raise
            notes.append(f"engine {engine} is left out: {str(error).removeprefix(f'engine {engine}: ')}")
    return loaded


def _measure(files: Sequence[ComparedFile], loaded: Mapping[str, Sequence[Predictor]], how: Measuring) -> Iterator[Row]:
    flat = [predict for predictors in loaded.values() for predict in predictors]
    shapes = [(file.artifact.channels, *[file.artifact.image_size] * 2) for file in files] * len(loaded)
    found = measure_latency(flat, image_shapes=shapes, how=how, seed=0)
    records = {engine: found[index * len(files) :][: len(files)] for index, engine in enumerate(loaded)}
    where = f"batch {how.batch_size}, {how.threads} thread{'s' if how.threads > 1 else ''}"
    for engine, own in records.items():
        spreads = [record.latency_ms for record in own]
        yield (f"latency, {engine}, {where}", *(f"{spread.median:.3f} ms" for spread in spreads))
        between = (f"{spread.p10:.3f} to {spread.p90:.3f}" for spread in spreads)
        yield (f"  p10 to p90 of {how.repeats} rounds", *between)
        yield from _against_first(own)
    if len(records) > 1:
        best = [min(records, key=lambda name: records[name][i].latency_ms.median) for i in range(len(files))]
        yield (f"fastest engine, {where}", *best)
        yield from _against_first([records[engine][index] for index, engine in enumerate(best)])


def _measure_parity(
    files: Sequence[ComparedFile], loaded: Mapping[str, Sequence[Predictor]], *, threads: int
) -> Iterator[Row]:
    """Yield how the integers of quantized files agree with their simulation, here and in their own runs."""
    quantized = [index for index, file in enumerate(files) if file.artifact.plan is not None]
    engines = [name for name in loaded if not is_imitation(name, quantized=True)]
    if not quantized or not engines:
        return
    simulated = {i: make_predictor(files[i].artifact, engine="eager", threads=threads) for i in quantized}
    for engine in engines:
        found = {
            i: measure_parity(files[i].artifact, simulated=simulated[i], executed=loaded[engine][i]) for i in quantized
        }
        cells = [found.get(index) for index in range(len(files))]
        same = (f"{100 * one.agreement:.2f} %" if one else "-" for one in cells)
        yield (f"same class as the simulation, {engine}, {NUM_IMAGES} images of noise", *same)
        yield (
            "  relative error of logits",
            *(format_relative_error(one.relative_logit_error) if one else "-" for one in cells),
        )
    records = [None if file.run is None else file.run.parity for file in files]
    if any(records):
        yield ("  in its own run, on test images", *(f"{100 * one.agreement:.2f} %" if one else "-" for one in records))
        errors = (None if one is None else one.relative_logit_error for one in records)
        yield ("    relative error of logits", *("-" if one is None else format_relative_error(one) for one in errors))
        yield ("    processor", *(one.processor if one else "-" for one in records))


def _against_first(records: Sequence[LatencyRecord]) -> Iterator[Row]:
    ratios = [compare_rounds(records[0], other=record) for record in records[1:]]
    yield ("  against 1", "", *(format_speedup(vars(ratio)) for ratio in ratios))
    yield ("  p10 to p90 of the ratio", "", *(f"{ratio.p10:.2f}x to {ratio.p90:.2f}x" for ratio in ratios))


def measure_latency(
    predictors: Sequence[Predictor], *, image_shapes: Sequence[tuple[int, ...]], how: Measuring, seed: int
) -> list[LatencyRecord]:
    """Return one latency record per predictor, all timed in turns, each on random images of its shape [C, H, W]."""
    batches = {
        shape: np.random.default_rng(seed).standard_normal((how.batch_size, *shape), dtype=np.float32)
        for shape in image_shapes
    }

    def on_own(predict: Predictor, batch: NDArray[np.float32]) -> Predictor:
        return lambda _: predict(batch)

    own = {
        str(i): on_own(one, batches[shape]) for i, (one, shape) in enumerate(zip(predictors, image_shapes, strict=True))
    }
    records = measure_alternating(own, batch=batches[image_shapes[0]], warmup=how.warmup, repeats=how.repeats)
    return [records[name] for name in own]


def _check_classes(files: Sequence[ComparedFile]) -> None:
    first = files[0]
    for file in files[1:]:
        if set(file.artifact.class_names) != set(first.artifact.class_names):
            raise InputError(
                f"--agree needs files of the same classes: {first.path} has {_names(first)}, {file.path} {_names(file)}"
            )


def _agreement(files: Sequence[ComparedFile], predictors: Sequence[Predictor], images: Sequence[Path]) -> Iterator[Row]:
    """Yield a row for each file but the last: how often each later file predicts the same class."""
    named = [
        [file.artifact.class_names[one.best] for one in predict_images(file.artifact, images, predictor=predictor)]
        for file, predictor in zip(files, predictors, strict=True)
    ]
    for index, classes in enumerate(named[:-1]):
        others = named[index + 1 :]
        same = [sum(a == b for a, b in zip(classes, other, strict=True)) / len(images) for other in others]
        name = f"same class as {index + 1}, {len(images):,} image{'s' if len(images) > 1 else ''}"
        yield (name, *[""] * (index + 1), *(f"{100 * fraction:.2f} %" for fraction in same))


def _row(name: str, files: Sequence[ComparedFile], show: Callable[[ComparedFile], str]) -> Row:
    return (name, *(show(file) for file in files))


def _describe_input(artifact: Artifact) -> str:
    size = f"{artifact.image_size}x{artifact.image_size}"
    return f"{size} {COLOUR_NAMES[artifact.channels]}" if artifact.channels != 3 else size


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _names(file: ComparedFile) -> str:
    names = file.artifact.class_names
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
