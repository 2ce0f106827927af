"""Schema of the group ``distillation``: who teaches, by what loss, and whom."""

import math
from dataclasses import dataclass, field
from typing import Any

from compression.config.require import require
from compression.core.errors import InputError

DISTILLATIONS = ("none", "logit", "feature")
TRANSFERS = ("attention", "hint")


@dataclass
class FeatureConfig:
    """What is asked of feature maps, and of which layers; without layers they are chosen."""

    kind: str = "attention"
    weight: float | None = None
    student_layers: list[str] = field(default_factory=list)
    teacher_layers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.kind in TRANSFERS, "distillation.feature.kind", self.kind, f"one of {', '.join(TRANSFERS)}")
        weight = self.weight
        require(weight is None or weight > 0, "distillation.feature.weight", weight, "> 0, or null for the kind's own")
        mine, its = len(self.student_layers), len(self.teacher_layers)
        require(
            mine == its,
            "distillation.feature.student_layers",
            self.student_layers,
            f"as many as distillation.feature.teacher_layers, which are {its}; without either, layers are chosen",
        )


@dataclass
class DistillationConfig:
    """Who teaches, by what loss, and whom: the network that is compressed, or a student of another architecture."""

    name: str = "none"
    alpha: float = 0.9
    temperature: float = 4.0
    teacher: str | None = None
    epochs: int | None = None
    inherit_weights: bool = False
    feature: FeatureConfig = field(default_factory=FeatureConfig)
    student: Any = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What a preset says of its student, a command can take back.
        self.student = {} if self.student is None else self.student
        require(self.name in DISTILLATIONS, "distillation", self.name, f"one of {', '.join(DISTILLATIONS)}")
        require(0 <= self.alpha <= 1, "distillation.alpha", self.alpha, "in [0, 1]")
        temperature = self.temperature
        require(0 < temperature < math.inf, "distillation.temperature", temperature, "a number > 0")
        epochs = self.epochs
        require(
            epochs is None or epochs >= 1,
            "distillation.epochs",
            epochs,
            "an integer >= 1, or null for as many as dense training",
        )
        if not isinstance(self.student, dict):
            raise InputError(
                f"distillation.student={self.student}: must be chosen as a group: distillation/student={self.student}"
            )
        if "weights" in self.student:
            raise InputError(
                f"distillation.student.weights={self.student['weights']}: must be left out, for a student is trained; "
                "a trained network that is compressed is model.weights"
            )
        if epochs is not None and not self.student:
            raise InputError(f"distillation.epochs={epochs} is of a student: must be null without distillation/student")
        self._check_inheritance()
        self._refuse_what_has_no_effect()

    def _check_inheritance(self) -> None:
        if self.inherit_weights and not self.student:
            raise InputError(
                "distillation.inherit_weights=true is of a student: must be false without distillation/student"
            )
        if self.inherit_weights and self.student.get("pretrained"):
            raise InputError(
                "distillation.inherit_weights=true contradicts distillation.student.pretrained=true: one must be false"
            )

    def _refuse_what_has_no_effect(self) -> None:
        if self.name == "none" and self.student:
            raise InputError(
                f"distillation.student={self.student['_target_']} contradicts distillation=none: "
                "must have a loss, distillation=logit or distillation=feature"
            )
        if self.name == "none":
            for key in ("alpha", "temperature", "teacher"):
                value, usual = getattr(self, key), getattr(DistillationConfig, key)
                if value != usual:
                    raise InputError(
                        f"distillation.{key}={value} contradicts distillation=none: "
                        "must have a loss, distillation=logit or distillation=feature"
                    )
        if self.name != "feature" and self.feature != FeatureConfig():
            raise InputError(f"distillation.feature contradicts distillation={self.name}: use distillation=feature")

    @property
    def teaches(self) -> bool:
        """Whether there is a teacher."""
        return self.name != "none"
