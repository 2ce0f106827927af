"""Check of the files of a network before training: model.cmp and model.onnx are written and read again."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from compression.artifact import load_artifact, save_artifact
from compression.core.adapted_network import find_logits
from compression.core.counting import count_macs, count_nonzero_macs
from compression.core.errors import InputError
from compression.core.file_names import ARTIFACT, ONNX
from compression.quantization.plan import Plan
from compression.run.building.network_files import describe_architecture
from compression.run.checks.network_errors import as_input_error, small_batch
from compression.run.context import Context

# Logits of the network in the file may differ from those before by this fraction of the largest, because batch norm is
# folded.
_TOLERANCE = 1e-2


def check_files(context: Context, model: nn.Module, *, plan: Plan | None = None) -> None:
    """Write ``model`` as ``model.cmp`` and ``model.onnx``, open both, and raise ``InputError`` if that fails.

    ``plan`` is that of an integer network.
    """
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        _check_artifact(context, model, Path(folder) / ARTIFACT, plan)
        _check_onnx(context, model, Path(folder) / ONNX, rounds=plan is not None)


def _check_artifact(context: Context, model: nn.Module, path: Path, plan: Plan | None) -> None:
    size, channels = context.data.image_size, context.data.channels
    images, _ = small_batch(context)
    advice = "its state dict must hold everything that its forward needs, and load into a new network"
    with as_input_error(context, "cannot be read again from model.cmp", advice=advice), torch.no_grad():
        save_artifact(
            path,
            model,
            architecture=describe_architecture(context, compacted=False),
            class_names=context.data.class_names,
            input={
                "size": size,
                "mean": [0.0] * channels,
                "std": [1.0] * channels,
                **context.data.dataset.preparation.to_json(),
            },
            plan=plan,
            codec="dense",
            fold_bn=context.config.storage.fold_bn,
        )
        # A network may overwrite its input.
        expected = model(images.clone())
        loaded = load_artifact(path, allow=context.allowed_imports, max_bytes=None).model
        given = loaded(images.clone())
    if not same_logits(given, expected):
        raise InputError(
            f"model {context.config.model['_target_']} computes other logits after it was written to model.cmp and "
            "read again: it has values that are not in its state dict, such as plain tensors that are drawn at random; "
            "use register_buffer or nn.Parameter"
        )
    with as_input_error(
        context, "cannot be counted", advice="its layers must run as modules, outside of compiled code"
    ):
        count_macs(loaded, size, channels=channels)
        count_nonzero_macs(loaded, size, channels=channels)


def _check_onnx(context: Context, model: nn.Module, path: Path, *, rounds: bool) -> None:
    """Raise ``InputError`` if the ONNX file fails, or computes other logits. A network that ``rounds`` may differ."""
    # Imported late, because families of this package never get here.
    from compression.runtimes.onnx_export import export_onnx
    from compression.runtimes.onnxruntime import OnnxRuntime

    channels, size = context.data.channels, context.data.image_size
    earlier = "quantize" if context.config.quantizes else "prune" if context.config.strategy.prunes else "dense"
    advice = f"its forward must be one that torch.export can follow; until={earlier} stops before the export"
    with as_input_error(context, "cannot be exported to ONNX", advice=advice):
        export_onnx(
            model,
            path,
            image_size=size,
            class_names=context.data.class_names,
            mean=[0.0] * channels,
            std=[1.0] * channels,
            preparation=context.data.dataset.preparation,
        )
        predict = OnnxRuntime().load(path, threads=context.machine.threads)
        images, _ = small_batch(context)
        for batch in (images[:1], torch.cat((images, images[:1]))):
            logits = predict(batch.contiguous().numpy())
            expected = (len(batch), context.data.num_classes)
            if logits.shape != expected:
                raise InputError(f"its ONNX file gives {list(logits.shape)} for {len(batch)} images, not {expected}")
            with torch.no_grad():
                given = find_logits(model(batch.clone()))
            if not rounds and not same_logits(torch.from_numpy(logits), given):
                raise InputError("its ONNX file computes other logits, so torch's exporter mistakes an operation")


def same_logits(given: Tensor, expected: Tensor) -> bool:
    """Return whether logits have the same shape and differ by at most a hundredth of the largest."""
    largest = expected.abs().max().clamp(min=1e-6)
    return given.shape == expected.shape and bool((given - expected).abs().max() <= _TOLERANCE * largest)
