"""One file of a comparison: a compressed model or the dense model of a run, with the results of its run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from compression.artifact import Artifact, load_artifact, read_contents
from compression.commands.processor_note import describe_saturation
from compression.commands.run_of_file import OwnRun, read_own_run
from compression.core.container import is_container
from compression.core.counting import (
    count_layer_weights,
    count_macs,
    count_nonzero_macs,
    count_nonzero_parameters,
    count_parameters,
    model_sparsity,
)
from compression.core.errors import InputError
from compression.core.file_names import ARTIFACT
from compression.core.model_card import Architecture, InputSpec, ModelCard
from compression.models.load_weights import load_weights_, read_state_dict
from compression.models.registry import build_model, is_built_in, without_download
from compression.quantization.plan import describe_arithmetic
from compression.reporting.byte_shares import PARTS, count_shares


@dataclass(frozen=True)
class ComparedFile:
    """An opened model file.

    ``shares`` are its bytes by purpose. ``dense_bytes`` is the size of the dense model as safetensors, None if the file
    does not record it. ``whole`` counts the weights of each prunable layer before anything was removed. ``run`` holds
    the results of the file's own run, None if there is no record of it.
    """

    path: Path
    artifact: Artifact
    shares: Mapping[str, int]
    dense_bytes: int | None
    whole: Mapping[str, int]
    run: OwnRun | None = None

    @property
    def num_bytes(self) -> int:
        """The size of the file in bytes."""
        return self.artifact.file_bytes

    @property
    def arithmetic(self) -> str:
        """The arithmetic of the file's network in words: ``float32``, or the bits of weights and activations."""
        plan = self.artifact.plan
        return "float32" if plan is None else describe_arithmetic(plan)

    @property
    def saturation(self) -> str | None:
        """A sentence if this processor may saturate sums of the file's 8-bit products."""
        return describe_saturation(self.artifact.plan)

    @cached_property
    def counts(self) -> dict[str, int | float]:
        """Parameters, sparsity relative to the dense architecture (0 to 1), and MACs per image, also without zeros."""
        model, size, channels = self.artifact.model, self.artifact.image_size, self.artifact.channels
        return {
            "parameters": count_parameters(model),
            "nonzero": count_nonzero_parameters(model),
            "sparsity": model_sparsity(model, self.whole),
            "macs": count_macs(model, size, channels=channels),
            "nonzero_macs": count_nonzero_macs(model, size, channels=channels),
        }


def open_file(path: Path, *, allow: Sequence[str], max_bytes: int | None) -> ComparedFile:
    """Open a ``.cmp`` file, or the ``dense.safetensors`` in a run's folder. Raises InputError.

    ``allow`` names the packages that a custom architecture may be imported from. ``max_bytes`` limits the memory of the
    decoded tensors.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}; allowed: model.cmp files, and dense.safetensors of a run")
    if path.suffix == ".safetensors" and not is_container(path):
        return _open_dense(path, allow=allow)
    artifact = load_artifact(path, allow=allow, max_bytes=max_bytes)
    contents = read_contents(path)
    return ComparedFile(
        path,
        artifact,
        count_shares(contents),
        contents.dense_bytes,
        count_layer_weights(_build(artifact.card.architecture, allow=allow, input=artifact.card.input)),
        read_own_run(path.parent, side="compressed", key="artifact", num_bytes=artifact.file_bytes),
    )


def _open_dense(path: Path, *, allow: Sequence[str]) -> ComparedFile:
    """Open a bare state dict. Its architecture, classes and input come from the files beside it."""
    num_bytes = path.stat().st_size
    run = read_own_run(path.parent, side="dense", key="safetensors", num_bytes=num_bytes)
    if run is None or run.architecture is None or not (path.parent / ARTIFACT).is_file():
        raise InputError(
            f"{path} does not name its network; allowed: model.cmp files, and dense.safetensors in a run's "
            "folder, beside its metrics.json and model.cmp"
        )
    card = read_contents(path.parent / ARTIFACT).card
    target, settings = run.architecture
    architecture = Architecture(target=target, num_classes=len(card.class_names), kwargs=settings)
    model = _build(architecture, allow=allow, device="cpu", input=card.input)
    state = read_state_dict(path)
    load_weights_(model, state, source=str(path))
    card = ModelCard(architecture, card.class_names, card.input, {"strategy": "none"})
    matrices = sum(value.nbytes for value in state.values() if value.dim() > 1)
    biases = sum(value.nbytes for name, value in state.items() if name.endswith("bias") and value.dim() <= 1)
    others = sum(value.nbytes for value in state.values()) - matrices - biases
    shares = {
        PARTS["values"]: matrices,
        PARTS["biases"]: biases,
        PARTS["normalization"]: others,
        PARTS["header"]: num_bytes - matrices - biases - others,
    }
    artifact = Artifact(model.eval(), card, (), num_bytes)
    return ComparedFile(path, artifact, shares, num_bytes, count_layer_weights(model), run)


def _build(
    architecture: Architecture, *, allow: Sequence[str], input: InputSpec, device: str | None = None
) -> nn.Module:
    """Return the network before anything is removed.

    A built-in architecture goes to the meta device by default, because only its shapes are needed.
    """
    device = device or ("meta" if is_built_in(architecture.target) else "cpu")
    example = torch.zeros(1, input.channels, input.size, input.size)
    kwargs = without_download(architecture.kwargs)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        return build_model(
            architecture.target, num_classes=architecture.num_classes, kwargs=kwargs, allow=allow, example=example
        )
