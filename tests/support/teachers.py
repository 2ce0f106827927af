"""Teachers and students for the tiny network."""

from pathlib import Path
from typing import Any

import checks
from tiny_net import TinyNet
from torch import nn
from trained_store import Finished, weights_of

from compression.artifact import save_artifact
from compression.data.digits import Digits

DIGITS = [str(digit) for digit in range(10)]
TINY_STUDENT = "distillation/student=custom distillation.student._target_=tiny_net.TinyNet"
STUDENT = f"{TINY_STUDENT} +distillation.student.width=16"


def check_command(tmp_path: Path, command: str) -> None:
    """Run all checks of a command with distillation."""
    checks.check_command(tmp_path, "distillation=logit", *command.split())


def refusal(tmp_path: Path, command: str) -> str:
    """Return the one line of the error that refuses a command with distillation."""
    return checks.refusal(tmp_path, "distillation=logit", *command.split())


def write_artifact(
    path: Path,
    net: nn.Module,
    *,
    target: str = "tiny_net.TinyNet",
    names: list[str] = DIGITS,
    size: int = 32,
    fold_bn: bool = False,
    **kwargs: Any,
) -> Path:
    """Write a network as an artifact for ``distillation.teacher`` and return its path."""
    save_artifact(
        path,
        net,
        architecture={"target": target, "kwargs": kwargs, "num_classes": len(names)},
        class_names=names,
        input={"size": size, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)},
        fold_bn=fold_bn,
    )
    return path


def write_teacher(dense: Finished, path: Path, *, width: int = 32) -> Path:
    """Write the trained dense model as an artifact and return its path."""
    digits, net = Digits().load(42), TinyNet(num_classes=10, width=width)
    net.load_state_dict(weights_of(dense))
    save_artifact(
        path,
        net,
        architecture={"target": "tiny_net.TinyNet", "kwargs": {"width": width}, "num_classes": 10},
        class_names=digits.class_names,
        input={"size": digits.image_size, "mean": digits.mean, "std": digits.std},
    )
    return path
