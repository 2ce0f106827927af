"""The file ``predictions.safetensors`` of an evaluation: the logits of both models on test and held-out images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from compression.analysis.predictions import Predictions

# The two models of a run, as everywhere in its records.
SIDES = ("dense", "compressed")


@dataclass(frozen=True)
class RunPredictions:
    """Predictions by model, ``dense`` and ``compressed``: on the test images, and on held-out training images."""

    test: Mapping[str, Predictions]
    held_out: Mapping[str, Predictions]


def write_predictions(
    path: Path, *, test: tuple[Mapping[str, Tensor], Tensor], held_out: tuple[Mapping[str, Tensor], Tensor]
) -> None:
    """Write logits by model, each float32 ``[N, C]``, and labels, int64 ``[N]``, of test and held-out images."""
    tensors: dict[str, Tensor] = {}
    for prefix, (logits, labels) in (("", test), ("val_", held_out)):
        tensors |= {f"{prefix}{name}": logits[name].contiguous() for name in SIDES}
        tensors[f"{prefix}labels"] = labels
    save_file(tensors, path)


def read_predictions(path: Path, *, class_names: Sequence[str]) -> RunPredictions:
    """Return the content of a file that ``write_predictions`` wrote."""
    tensors = load_file(path)

    def read(prefix: str) -> dict[str, Predictions]:
        labels = tensors[f"{prefix}labels"].numpy()
        return {name: Predictions(tensors[f"{prefix}{name}"].numpy(), labels, tuple(class_names)) for name in SIDES}

    return RunPredictions(test=read(""), held_out=read("val_"))
