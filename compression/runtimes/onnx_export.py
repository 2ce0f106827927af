"""A model as an ONNX file, with what is needed to feed it."""

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from compression.core.files import write_atomic

INPUT = "input"
OUTPUT = "logits"


def export_onnx(
    model: nn.Module,
    path: Path | str,
    *,
    image_size: int,
    class_names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
) -> int:
    """Write ``model`` to ``path`` in FP32 and return the file's bytes.

    Input ``input`` [batch, 3, image_size, image_size], normalized by mean and std; output ``logits`` [batch,
    num_classes]; any batch size. Batch normalization is folded into convolutions. The metadata holds
    ``class_names``, ``image_size``, ``mean`` and ``std`` as JSON. The same model gives the same bytes.
    """
    exported = copy.deepcopy(model).cpu().eval()
    # Two images: torch.export would take a batch of one for a constant.
    images = torch.zeros(2, 3, image_size, image_size)
    with _quiet():
        program = torch.onnx.export(
            exported,
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _strip(proto)
    metadata = {
        "class_names": list(class_names),
        "image_size": image_size,
        "mean": list(mean),
        "std": list(std),
    }
    onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in metadata.items()})
    data: bytes = proto.SerializeToString(deterministic=True)
    write_atomic(path, data)
    return len(data)


def _strip(proto: onnx.ModelProto) -> None:
    """Remove what the exporter notes for debugging: stack traces with local paths, 15 % of a small file."""
    graph = proto.graph
    graph.ClearField("metadata_props")
    graph.ClearField("value_info")
    proto.ClearField("doc_string")
    proto.ClearField("producer_version")
    parts: list[Any] = [graph, *graph.input, *graph.output, *graph.initializer, *graph.node, *proto.functions]
    for part in parts:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # The exporter prints its progress, logs about operators of packages that are not there, and warns of
    # deprecations within torch and onnxscript, none of which a user can act on.
    level = logging.root.manager.disable
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
