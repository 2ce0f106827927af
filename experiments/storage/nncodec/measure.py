"""Test accuracy of the networks that encode.py decoded: one result file of bytes, accuracy and seconds.

usage: python experiments/storage/nncodec/measure.py RESULT.json OUT_FOLDER STAGE_FOLDER KEY=VALUE...

Runs in the environment of the project. STAGE_FOLDER is the prune stage whose weights were encoded. KEY=VALUE are
overrides of train.py (model, data, seed). Only weights are rounded; everything is computed in float. A row that is
already in the result file with the same bytes is not measured again.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from compression.config.compose import compose_run
from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.core.file_names import WEIGHTS
from compression.reporting.provenance import describe_machine
from compression.run.context import make_context

Batch = tuple[Tensor, Tensor]


def main(out: Path, folder: Path, stage: Path, overrides: list[str]) -> None:
    """Measure, and write the rows so far after every row."""
    config, run_dir = compose_run(overrides)
    context = make_context(config, run_dir)
    torch.set_num_threads(1)
    batches = list(context.data.test_batches())
    model = context.build_model(pretrained=False)
    encoded = json.loads((folder / "rows.json").read_text())
    known = json.loads(out.read_text())["rows"] if out.exists() else []
    result: dict[str, Any] = {
        "model": config.model["_target_"],
        "stage": stage.name,
        "sparsity": round(json.loads((stage / "stage.json").read_text())["results"]["sparsity"], 4),
        "images": sum(len(labels) for _, labels in batches),
        "arithmetic": "float weights and activations, one thread",
        "processor": describe_machine()["processor"],
        "versions": encoded["versions"],
        "bytes_unencoded": (stage / WEIGHTS).stat().st_size,
        "accuracy_unencoded": accuracy(model, stage / WEIGHTS, batches, context.data.num_classes),
        "accuracy_dense": dense_accuracy(model, stage, batches, context.data.num_classes),
        "rows": [],
    }
    print(json.dumps({key: value for key, value in result.items() if key != "rows"}), flush=True)
    for row in encoded["rows"]:
        same = [one for one in known if (one["name"], one["bytes"]) == (row["name"], row["bytes"])]
        decoded = folder / f"{row['name']}.safetensors"
        hits = same[0]["accuracy"] if same else accuracy(model, decoded, batches, context.data.num_classes)
        result["rows"].append({**row, "accuracy": hits})
        out.write_text(json.dumps(result, indent=1) + "\n")
        print(row["name"], row["bytes"], hits, flush=True)


def dense_accuracy(model: nn.Module, stage: Path, batches: list[Batch], num_classes: int) -> float:
    """Return the accuracy of the dense network that the stage started from: its first parent."""
    parents = json.loads((stage / "stage.json").read_text())["key"]["parents"]
    return accuracy(model, stage.with_name(f"dense-{parents[0]}") / WEIGHTS, batches, num_classes)


def accuracy(model: nn.Module, path: Path, batches: list[Batch], num_classes: int) -> float:
    """Return the accuracy, in [0, 1], of ``model`` on the test images with the tensors in ``path``."""
    missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    with evaluating(model):
        hits, totals = count_hits(model, batches, num_classes)
    return round(float(hits.sum() / totals.sum()), 4)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
