"""The analyze stage: how both models fail on the test images, and which classes lose accuracy by compression."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from compression.artifact import load_artifact
from compression.core.file_names import ARTIFACT, ONNX, PREDICTIONS
from compression.core.seeding import derive_seed
from compression.data.normalization import on_pixels
from compression.data.subsets import read_pixels
from compression.run.context import Context
from compression.run.report.analysis_files import find_groups
from compression.run.report.models_as_run import open_models
from compression.run.report.predictions_file import read_predictions
from compression.run.stage import Finished
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 1


def obtain_analysis(context: Context, made: Finished) -> StageRecord:
    """Return a summary of the failure modes of both models; the record, a text and pictures are in the stage's folder.

    It reads the predictions that ``evaluate`` left. With ``analysis=full`` it also runs both models on damaged images,
    and compares their layers.
    """
    evaluated = made["evaluate"]
    inputs: dict[str, Any] = {"analysis": context.config.analysis, "class_groups": find_groups(context)}
    measure_more = None
    if context.config.analysis == "full":
        inputs |= {"seed": context.config.seed, "arithmetic": context.machine.identity}
        folders = {"dense": made["dense_export"].path, "compressed": made["export"].path}
        measure_more = partial(_measure_more, context, folders, evaluated.path / ONNX, _list_equalized(made))
    make = partial(_analyze, context, evaluated, measure_more)
    return context.store.obtain(StageKey("analyze", VERSION, inputs, parents=(evaluated.id,)), make)


def _analyze(context: Context, evaluated: StageRecord, measure_more: Any, folder: Path) -> Made:
    # Imported late, because it needs SciPy and matplotlib.
    from compression.reporting.failure_record import make_failure_record, summarize_failures
    from compression.reporting.write_failures import write_failures

    predictions = read_predictions(evaluated.path / PREDICTIONS, class_names=context.data.class_names)
    record = make_failure_record(
        predictions.test,
        held_out=predictions.held_out,
        groups=find_groups(context),
        **({} if measure_more is None else measure_more()),
    )
    write_failures(folder, record, predictions.test, load_images=partial(read_pixels, context.data.images.test))
    return Made({"summary": summarize_failures(record)})


def _measure_more(
    context: Context, folders: Mapping[str, Path], executed: Path, equalized: Sequence[str]
) -> dict[str, Any]:
    """Return ``robustness`` and ``layers`` of the record. ``executed`` is the ONNX file of a quantized model."""
    from compression.analysis.robustness import MOST_IMAGES, measure_robustness
    from compression.reporting.layer_comparison import NUM_IMAGES, compare_layers

    # These are our own files, so no limit on their size is needed.
    loaded = {
        name: load_artifact(path / ARTIFACT, allow=context.allowed_imports, max_bytes=None)
        for name, path in folders.items()
    }
    models = {
        name: on_pixels(model, mean=loaded[name].mean, std=loaded[name].std)
        for name, model in open_models(context, loaded, executed).items()
    }
    batches = context.data.test_pixels(most=MOST_IMAGES)
    robustness = measure_robustness(models, batches, seed=derive_seed(context.config.seed, "robustness"))
    layers = compare_layers(
        loaded["dense"],
        loaded["compressed"],
        [images for images, _ in context.data.val_subset(NUM_IMAGES)],
        device=context.machine.device,
        equalized=equalized,
    )
    return {"robustness": robustness, "layers": layers}


def _list_equalized(made: Finished) -> list[str]:
    """Return the layers whose output channels equalization has rescaled: the first of each pair."""
    if "quantize" not in made:
        return []
    return [first for first, _ in (made["quantize"].results.get("repairs") or {}).get("equalized", [])]
