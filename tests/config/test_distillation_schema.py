"""The schema of distillation: refused and allowed settings, and their effect on other settings."""

import math

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from compression.config.distillation_schema import DistillationConfig, FeatureConfig
from compression.config.explain import explain
from compression.config.rules import check_section
from compression.config.run_name import run_name
from compression.core.errors import InputError

LOSS = "must have a loss, distillation=logit or distillation=feature"
NOTHING = "must have a strategy with recovery, quantization=qat, or a student, distillation/student=NAME"
RESNET = {"_target_": "compression.models.resnet18.resnet18"}
SETTINGS = [
    ({"name": "logit", "alpha": 1.1}, "distillation.alpha=1.1: must be in [0, 1]"),
    ({"name": "logit", "alpha": -0.1}, "distillation.alpha=-0.1: must be in [0, 1]"),
    ({"name": "logit", "alpha": math.nan}, "distillation.alpha=nan: must be in [0, 1]"),
    ({"name": "logit", "temperature": 0.0}, "distillation.temperature=0.0: must be a number > 0"),
    ({"name": "logit", "temperature": math.inf}, "distillation.temperature=inf: must be a number > 0"),
    ({"name": "both"}, "distillation.name=both: must be one of none, logit, feature"),
    (
        {"name": "logit", "student": RESNET, "epochs": 0},
        "distillation.epochs=0: must be an integer >= 1, or null for as many as dense training",
    ),
    (
        {"name": "logit", "epochs": 3},
        "distillation.epochs=3 is of a student: must be null without distillation/student",
    ),
    (
        {"name": "logit", "inherit_weights": True},
        "distillation.inherit_weights=true is of a student: must be false without distillation/student",
    ),
    (
        {"name": "logit", "inherit_weights": True, "student": RESNET | {"pretrained": True}},
        "distillation.inherit_weights=true contradicts distillation.student.pretrained=true: one must be false",
    ),
    (
        {"name": "logit", "student": {**RESNET, "weights": "a.pt"}},
        (
            "distillation.student.weights=a.pt: must be left out, for a student is trained; a trained network that is "
            "compressed is model.weights"
        ),
    ),
    (
        {"student": RESNET},
        f"distillation.student=compression.models.resnet18.resnet18 contradicts distillation=none: {LOSS}",
    ),
    ({"alpha": 0.5}, f"distillation.alpha=0.5 contradicts distillation=none: {LOSS}"),
    ({"teacher": "a.cmp"}, f"distillation.teacher=a.cmp contradicts distillation=none: {LOSS}"),
    (
        {"name": "logit", "feature": FeatureConfig(kind="hint")},
        "distillation.feature contradicts distillation=logit: use distillation=feature",
    ),
]
FEATURES = [
    ({"kind": "logit"}, "distillation.feature.kind=logit: must be one of attention, hint"),
    ({"weight": 0.0}, "distillation.feature.weight=0.0: must be > 0, or null for the kind's own"),
    (
        {"student_layers": ["a", "b"]},
        (
            "distillation.feature.student_layers=['a', 'b']: must be as many as distillation.feature.teacher_layers, "
            "which are 0; without either, layers are chosen"
        ),
    ),
]
COMMANDS = {
    "distillation.student=resnet18": "distillation.student=resnet18: must be chosen as a group: "
    "distillation/student=resnet18",
    "distillation=logit distillation/student=custom": "distillation.student._target_ is not set: give "
    "distillation.student._target_=VALUE",
    "+distillation.student.width_mult=0.5": "distillation.student={'width_mult': 0.5}: names no network; choose one, "
    "distillation/student=NAME, or remove all of it, distillation.student=null",
    "distillation=logit distillation/student=foo": "distillation/student=foo: must be one of custom, mobilenet_v2, "
    "none, resnet18, timm, vgg11",
    "distillation=logit strategy=none": f"distillation=logit has nothing to train with strategy=none: {NOTHING}",
    "distillation=logit strategy=none bits=8": f"distillation=logit has nothing to train with strategy=none: {NOTHING}",
    "distillation=logit strategy=oneshot_l1 strategy.recovery.epochs=0": "distillation=logit has nothing to train with "
    f"strategy=oneshot_l1 and strategy.recovery.epochs=0: {NOTHING}",
}


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        check_section(DistillationConfig(**settings), "distillation")
    assert str(caught.value) == message


@pytest.mark.parametrize(("settings", "message"), FEATURES)
def test_settings_of_features_that_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        check_section(FeatureConfig(**settings), "distillation.feature")
    assert str(caught.value) == message


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_are_refused(load, command):
    with pytest.raises((HydraException, InputError, OmegaConfBaseException)) as caught:
        load(*command.split())
    assert explain(caught.value) == COMMANDS[command]


def test_defaults(load):
    assert not load().distillation.teaches
    for name in ("logit", "feature"):
        distillation = load(f"distillation={name}").distillation
        assert distillation.teaches
        assert (distillation.alpha, distillation.temperature, distillation.teacher) == (0.9, 4.0, None)
        assert distillation.student == {}


@pytest.mark.parametrize(
    "command",
    [
        "strategy=none distillation/student=vgg11",
        "strategy=oneshot_structured_l2 strategy.recovery.epochs=0 strategy.finetune.epochs=1",
        "strategy=rigl",
        "strategy=slimming strategy.recovery.epochs=0",
        "strategy=none quantization=qat bits=8",
    ],
)
def test_a_teacher_is_allowed_if_something_is_trained(load, command):
    load("distillation=logit", *command.split())


@pytest.mark.parametrize(
    ("command", "stem"),
    [
        ("", "imagenet"),
        ("model.stem=cifar", "cifar"),
        ("model.stem=cifar distillation.student.stem=imagenet", "imagenet"),
        ("model=timm model.name=resnet10t", "imagenet"),
        ("model=timm model.name=resnet10t data=cifar10", "cifar"),
    ],
)
def test_a_student_has_the_stem_of_its_teacher_or_of_the_data(load, command, stem):
    config = load("distillation=logit", "distillation/student=resnet18", *command.split())
    assert config.distillation.student["stem"] == stem


@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("distillation=logit", "digits-mobilenet_v2-iterative_l1-s90-kd-"),
        ("distillation=feature", "digits-mobilenet_v2-iterative_l1-s90-kd_attention-"),
        ("distillation=feature distillation.feature.kind=hint", "digits-mobilenet_v2-iterative_l1-s90-kd_hint-"),
        (
            "distillation=logit strategy=none model=vgg11 distillation/student=mobilenet_v2",
            "digits-vgg11-none-kd-mobilenet_v2-",
        ),
    ],
)
def test_the_name_of_the_run_names_the_distillation(compose_config, command, start):
    assert run_name(_root_=compose_config(*command.split())).startswith(start)
