"""Small model files with the metrics of their run, and a function that runs commands on them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from click.testing import Result
from colour_net import Net
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from compression.artifact import save_artifact
from compression.cli import app
from compression.models.mobilenet_v2 import mobilenet_v2

MOBILE = "compression.models.mobilenet_v2.mobilenet_v2"
# This option lets a command run the code of ``colour_net``.
ALLOW = ("--allow-import", "colour_net")
# The logits are (1, -1) for a blue image and (-1, 1) for a red image.
RED_FROM_BLUE = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))


def run(*arguments: Any) -> Result:
    """Run ``compression`` with ``arguments`` in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def cells(text: str) -> dict[str, list[str]]:
    """Return the rows of the table that ``compare`` prints, by their first column."""
    rows = [re.split(r" {2,}", line.strip()) for line in text.partition("\n\n")[2].splitlines()]
    return {row[0]: row[1:] for row in rows}


def save_colours(
    path: Path,
    weight: Sequence[Sequence[float]] = RED_FROM_BLUE,
    *,
    names: Sequence[str] = ("blue", "red"),
    size: int = 8,
    bias: Sequence[float] = (0.0, 0.0),
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a ``colour_net.Net`` with these weights."""
    net = Net(num_classes=2)
    with torch.no_grad():
        net.fc.weight.copy_(torch.tensor(weight))
        net.fc.bias.copy_(torch.tensor(bias))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_artifact(
        path,
        net,
        architecture={"target": "colour_net.Net", "kwargs": {}, "num_classes": 2},
        class_names=list(names),
        input={"size": size, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        info=info,
    )


def save_small(path: Path, model: nn.Module, *, target: str = MOBILE, **more: Any) -> None:
    """Write a network with two classes for images of 16x16 pixels; by default a narrow MobileNet."""
    kwargs = more.pop("kwargs", {"width_mult": 0.1})
    save_artifact(
        path,
        model,
        architecture={"target": target, "kwargs": kwargs, "num_classes": 2},
        class_names=["blue", "red"],
        input={"size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        **more,
    )


def metrics_of(path: Path, *, dense_bytes: int = 1) -> dict[str, Any]:
    """Return the part of the ``metrics.json`` of an artifact's run that a comparison reads."""
    latency: list[dict[str, Any]] = [
        {"engine": engine, "batch_size": size, "compressed": {"latency_ms": {"median": median, "p10": 1, "p90": 3}}}
        for engine, size, median in (("eager", 1, 2.0), ("openvino", 1, 0.5), ("eager", 64, 0.1))
    ]
    for row in latency:
        row["dense"] = row["compressed"]
    return {
        "run": {"model": MOBILE, "model_settings": {"width_mult": 0.1, "pretrained": True}},
        "dense": {"accuracy": 0.9, "bytes": {"safetensors": dense_bytes}},
        "compressed": {"accuracy": 0.885, "bytes": {"artifact": path.stat().st_size}},
        "timing": {"latency": latency},
    }


def save_run(folder: Path) -> None:
    """Write the folder of a run: a dense file, a compressed file and their metrics."""
    model = mobilenet_v2(num_classes=2, width_mult=0.1)
    save_file(model.state_dict(), folder / "dense.safetensors")
    save_small(folder / "model.cmp", model)
    size = (folder / "dense.safetensors").stat().st_size
    (folder / "metrics.json").write_text(json.dumps(metrics_of(folder / "model.cmp", dense_bytes=size)))
