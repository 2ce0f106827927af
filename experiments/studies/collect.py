"""Write the record of a study from its runs.

    python experiments/studies/collect.py experiments/studies/b outputs/study-b-*

The folder gets ``results.json``: one row per run, in the order of the command line. Rows of other runs that the file
holds stay in it, so a study may be run on different days.
"""

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.torch import load_file

from compression.artifact import read_contents
from compression.core.file_names import PREDICTIONS
from compression.storage.blocks import to_array
from compression.storage.codec_registry import CODECS

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("data.root=", "output_dir=", "hydra.run.dir=")


def main() -> None:
    """Read the runs named on the command line and write their rows."""
    record, *runs = map(Path, sys.argv[1:])
    for run in runs:
        if not (run / "metrics.json").is_file():
            sys.exit(f"error: {run} has no metrics.json; allowed: folders of complete runs")
    target = record / "results.json"
    rows = {row["run"]: row for row in json.loads(target.read_text())} if target.exists() else {}
    for run in runs:
        document = json.loads((run / "metrics.json").read_text())
        row = summarize(document, weights=find_weights(run), codec_bytes=count_by_codec(run / "model.cmp"))
        rows[row["run"]] = {**row, "right": list_right(run)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps([*rows.values()], indent=1) + "\n")


def find_weights(run: Path) -> str | None:
    """Return the name of the file with the dense weights that a run started from; None if it made its own."""
    weights = yaml.safe_load((run / "config" / "config.yaml").read_text())["model"]["weights"]
    return Path(weights).name if weights else None


def list_right(run: Path) -> dict[str, str]:
    """Return which test images each of the two models got right, one bit for each, in base64.

    With them two runs can be compared image by image. They are read from the store of the stages, above the run.
    """
    [evaluation] = [line for line in (run / "stages.txt").read_text().split() if line.startswith("evaluate-")]
    [stage] = [place for parent in run.resolve().parents if (place := parent / "store" / evaluation).is_dir()]
    found = load_file(stage / PREDICTIONS)
    right = {which: (found[which].argmax(1) == found["labels"]).numpy() for which in ("dense", "compressed")}
    return {which: base64.b64encode(np.packbits(bits).tobytes()).decode() for which, bits in right.items()}


def count_by_codec(path: Path) -> dict[str, int]:
    """Return the bytes of an artifact's file if its weights were stored as COO or CSR and all else as it is."""
    contents = read_contents(path)
    weights = [block for block in contents.blocks if len(block.shape) > 1 and block.numel]
    state = contents.decode()
    rest = contents.file_bytes - sum(block.num_bytes for block in weights)
    arrays = [to_array(state[block.names[0]]) for block in weights]
    return {name: rest + sum(len(CODECS[name].encode(array)) for array in arrays) for name in ("coo", "csr")}


def summarize(document: Mapping[str, Any], *, weights: str | None, codec_bytes: Mapping[str, int]) -> dict[str, Any]:
    """Return the figures of one run: what was made, of what quality, of what size, how fast, and where."""
    run, dense, compressed = document["run"], document["dense"], document["compressed"]
    machine, timing = document["provenance"]["machine"], document["timing"]
    return {
        "run": run["name"],
        "model": run["model"].rpartition(".")[2],
        "stem": run["model_settings"]["stem"],
        "weights": weights,
        "width": run["model_settings"]["width_mult"],
        "strategy": run["strategy"],
        "target_sparsity": run["target_sparsity"],
        "sparsity": compressed["sparsity"],
        "weight_bits": run["weight_bits"],
        "activation_bits": run["activation_bits"],
        "distillation": run["distillation"],
        "seed": run["seed"],
        "epochs": run["epochs"],
        "val_accuracy": run["val_accuracy"],
        "stopped": run["stopped"],
        "dense": _summarize_model(dense),
        "compressed": _summarize_model(compressed),
        "codec_bytes": codec_bytes,
        "load_seconds": {which: timing[which]["load_seconds"] for which in ("dense", "compressed")},
        "threads": timing["threads"],
        "stage_seconds": timing["stage_seconds"],
        "latency": timing["latency"],
        "machine": {name: machine[name] for name in ("processor", "cores", "gpu")},
        "git_commit": document["provenance"]["git_commit"],
        "command": _without_places(document["provenance"]["command"]),
    }


def _summarize_model(found: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "accuracy",
        "accuracy_per_class",
        "test_images",
        "parameters",
        "nonzero_parameters",
        "macs",
        "nonzero_macs",
    )
    size = {name: found["bytes"].get(name) for name in ("artifact", "safetensors", "gzip_state_dict", "onnx")}
    return {**{name: found[name] for name in names}, "bytes": size}


def _without_places(command: Sequence[str]) -> list[str]:
    # Others cannot use the folders of this machine.
    script, *words = command
    return [Path(script).name, *(_relative(word) for word in words if not word.startswith(PLACES))]


def _relative(word: str) -> str:
    """Return an override with a file of this checkout relative to it, and of any other folder by its name alone."""
    key, _, value = word.partition("=")
    path = Path(value)
    if not path.is_absolute():
        return word
    return f"{key}={path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}"


if __name__ == "__main__":
    main()
