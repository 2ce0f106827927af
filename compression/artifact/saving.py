"""Writing a model into an artifact."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from compression.artifact.contents import SECTION
from compression.core.container import write_container
from compression.core.errors import InputError
from compression.core.model_card import ModelCard
from compression.core.tracing import trace
from compression.models.registry import without_download
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.stored_vectors import encode_vectors
from compression.quantization.plan import Plan
from compression.storage.blocks import pack_state, table_to_json
from compression.system.files import write_atomic

log = logging.getLogger(__name__)


def save_artifact(
    path: Path | str,
    model: nn.Module,
    *,
    architecture: Mapping[str, Any],
    class_names: Sequence[str],
    input: Mapping[str, Any],
    plan: Plan | None = None,
    codec: str = "auto",
    fold_bn: bool = False,
    info: Mapping[str, Any] | None = None,
) -> int:
    """Write every tensor of ``model.state_dict()`` losslessly to ``path`` and return the size of the file in bytes.

    - ``architecture``: {"target", "kwargs", "num_classes"}, the call that builds the model. With "compacted" true, the
      model has lost channels.
    - ``input``: {"size", "mean", "std"} of the input images; also "channels", "fit", "background", "value_range" where
      they differ from those of ``Preparation()``.
    - ``plan``: the plan of a quantized network; ``model`` is then the integer network.
    - ``codec``: auto, or a codec name of ``storage.codec_registry``.
    - ``fold_bn``: store a copy of ``model`` with batch norm folded into the layers before it. The copy is equivalent up
      to float rounding and smaller, but no longer trainable. A network that torch.fx cannot trace keeps its batch norm,
      and a log message says so. Quantized networks ignore this.
    - ``info``: free notes, any JSON.

    -0.0 is stored as 0.0. Equal arguments give equal bytes. The write is atomic: the file is complete or absent. Raises
    InputError for an unknown codec, for tensors that cannot be stored, and for notes that are not JSON.
    """
    graph = _fold(model) if fold_bn and plan is None else None
    model, folded = graph or model, graph is not None
    card = ModelCard.from_json(
        {
            "architecture": {**architecture, "kwargs": without_download(architecture["kwargs"]), "folded": folded},
            "class_names": list(class_names),
            "input": {**input, "mean": list(input["mean"]), "std": list(input["std"])},
            "info": dict(info or {}),
            "quantization": None if plan is None else plan.to_json(),
        }
    )
    state = model.state_dict() if plan is None else encode_vectors(model.state_dict(), plan)
    blocks, payload = pack_state(state, codec=codec)
    try:
        data = write_container({**card.to_json(), SECTION: table_to_json(blocks)}, sections={SECTION: payload})
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"info and kwargs of an artifact must be JSON: {error}") from error
    write_atomic(path, data)
    return len(data)


def _fold(model: nn.Module) -> nn.Module | None:
    """Return a copy with batch norm folded; None without a batch norm to fold, or if the network cannot be traced."""
    try:
        graph = trace(model)
    except InputError as error:
        log.info("artifact  batch norm is not folded: %s", error)
        return None
    return graph if fold_batch_norms_(graph) else None
