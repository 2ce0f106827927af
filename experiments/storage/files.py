"""Files of a grid of configurations, with a record of each: bytes by codec, bounds, accuracy, seconds.

usage: experiments/storage/files.py OUT.json KEY=VALUE[,VALUE]...

The overrides are those of train.py. Commas separate values, and the grid has all combinations. `codecs=true` tries
every codec on the weights. `part=val` measures accuracy on held-out training images instead of the test images.
Rows are appended to OUT.json; a configuration that is already in it is not measured again. Accuracy is measured on
the file, loaded again.
"""

import itertools
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from compression.artifact import Artifact, load_artifact, read_contents
from compression.config.compose import compose_run
from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.core.file_names import ARTIFACT, WEIGHTS
from compression.quantization.grid import FULL_PRECISION
from compression.reporting.byte_shares import count_parts
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.context import Context
from compression.run.pipeline import run_stages
from compression.run.stage import Finished
from compression.storage.accounting import LayerCount, formula_bytes, order0_bits
from compression.storage.blocks import split_payload, to_array
from compression.storage.codec import Codec
from compression.storage.codec_registry import CODECS

# Repetitions of decoding and loading. The record holds the median.
_TURNS = 3
# Folders of one machine. The record leaves them out.
_PLACES = ("data.root", "output_dir")


def main(out: Path, options: list[str]) -> None:
    """Measure the grid, and write the rows so far after every row."""
    own = dict(option.split("=", 1) for option in options if option.startswith(("codecs=", "part=")))
    common = [option for option in options if option.split("=", 1)[0] not in own]
    grid = [[f"{key}={one}" for one in values.split(",")] for key, values in (one.split("=", 1) for one in common)]
    result = json.loads(out.read_text()) if out.exists() else {"rows": []}
    result |= {"machine": describe_machine(), "software": describe_software()}
    part = own.get("part", "test")
    for overrides in itertools.product(*grid):
        kept = [one for one in overrides if one.split("=", 1)[0] not in _PLACES]
        if any((row["overrides"], row["part"]) == (kept, part) for row in result["rows"]):
            continue
        context, stages = run(list(overrides))
        if "dense_accuracy" not in result:
            result["dense_accuracy"] = dense_accuracy(context, stages["dense"].path / WEIGHTS, part)
        row = measure(context, stages, part=part, codecs=own.get("codecs") == "true")
        result["rows"].append({"overrides": kept, **row})
        out.write_text(json.dumps(result, indent=1) + "\n")
        shown = ("sparsity", "bits", "file", "smaller", "weights", "order0", "accuracy", "load_seconds")
        print(json.dumps({key: row[key] for key in shown}), flush=True)


def run(overrides: list[str]) -> tuple[Context, Finished]:
    """Run a configuration until its file is written; return its context and its stages."""
    config, run_dir = compose_run([*overrides, "until=export"])
    return run_stages(config, run_dir=run_dir)


def measure(context: Context, stages: Finished, *, part: str, codecs: bool) -> dict[str, Any]:
    """Return the record of the file that a run wrote."""
    path = stages["export"].path / ARTIFACT
    loading = [_timed(load_artifact, path, max_bytes=None) for _ in range(_TURNS)]
    artifact: Artifact = loading[0][0]
    dense_bytes = artifact.info["dense_bytes"]
    row: dict[str, Any] = {
        "part": part,
        "stages": {name: stage.id for name, stage in stages.items()},
        "sparsity": round(artifact.info["sparsity"], 4),
        "bits": {"weight": context.config.weight_bits, "activation": context.config.activation_bits},
        "dense": dense_bytes,
        "smaller": round(dense_bytes / path.stat().st_size, 3),
        "accuracy": accuracy(context, artifact.model, part),
        "load_seconds": _median(loading),
        **describe_bytes(path, codecs=codecs),
    }
    return row


def describe_bytes(path: Path, *, codecs: bool) -> dict[str, Any]:
    """Return the bytes of an artifact by part, their bounds, and the size of its weights with every codec."""
    contents = read_contents(path)
    state, plan = contents.decode(max_bytes=None), contents.plan
    weights = [block for block in contents.blocks if len(block.shape) > 1]
    pieces = dict(zip(contents.blocks, split_payload(contents.blocks, contents.payload), strict=True))
    parts = {block: block.measure(data) for block, data in pieces.items()}
    shares = count_parts(contents)
    vectors = {"scales": shares["scales"], "biases": shares["biases"], "others": shares["normalization"]}
    coded = [block for block in weights if not block.dtype.is_floating_point]
    bits = {
        block.names[0]: plan.layers[block.owners[0]].weight if plan is not None else FULL_PRECISION for block in weights
    }
    layers = {
        block.names[0]: LayerCount(
            nonzero=int((state[block.names[0]] != 0).sum()),
            bits=bits[block.names[0]],
            channels=block.shape[0] if plan is not None else 0,
        )
        for block in weights
    }
    arrays = {block.names[0]: to_array(state[block.names[0]]) for block in weights}
    return {
        "file": contents.file_bytes,
        "header": contents.file_bytes - len(contents.payload),
        "weights": sum(parts[block].total for block in weights),
        "tables": sum(part.side for part in parts.values()),
        **vectors,
        "codecs_used": dict(Counter(block.codec for block in weights)),
        "formula": formula_bytes(layers),
        "order0": round(sum(order0_bits(arrays[block.names[0]]) for block in coded) / 8) if coded == weights else None,
        "by_codec": try_codecs(arrays) if codecs else None,
    }


def try_codecs(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return bytes and seconds of each codec that accepts the weights."""
    tried = {}
    for name, codec in CODECS.items():
        if all(codec.accepts(array.dtype) for array in arrays.values()):
            encoded, seconds = _timed(lambda codec: {k: codec.encode(a) for k, a in arrays.items()}, codec)
            decoding = [_timed(_decode_all, codec, encoded, arrays) for _ in range(_TURNS)]
            tried[name] = {
                "bytes": sum(map(len, encoded.values())),
                "encode_seconds": round(seconds, 3),
                "decode_seconds": _median(decoding),
            }
    return tried


def _decode_all(codec: Codec, encoded: dict[str, bytes], arrays: dict[str, Any]) -> None:
    for key, array in arrays.items():
        codec.decode(encoded[key], shape=array.shape, dtype=array.dtype)


def dense_accuracy(context: Context, weights: Path, part: str) -> float:
    """Return the accuracy, in [0, 1], of the dense network with the weights in a file."""
    model = context.build_model(pretrained=False)
    model.load_state_dict(load_file(weights))
    return accuracy(context, model, part)


def accuracy(context: Context, model: nn.Module, part: str) -> float:
    """Return the accuracy, in [0, 1]: ``part`` "val" uses held-out training images, anything else the test images."""
    batches = context.data.val_batches() if part == "val" else context.data.test_batches()
    with evaluating(model), torch.inference_mode():
        hits, totals = count_hits(model, batches, context.data.num_classes)
    return round(float(hits.sum() / totals.sum()), 4)


def _timed(function: Any, *args: Any, **kwargs: Any) -> tuple[Any, float]:
    begun = time.perf_counter()
    return function(*args, **kwargs), time.perf_counter() - begun


def _median(turns: list[tuple[Any, float]]) -> float:
    return round(sorted(seconds for _, seconds in turns)[len(turns) // 2], 3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
