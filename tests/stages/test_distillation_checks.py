"""A teacher or student that does not fit is refused in one line before anything is trained."""

import logging

import pytest
import torch
from hydra.errors import HydraException
from runs import WIDE, compose_config
from safetensors.torch import save_file
from tiny_net import TinyNet

from compression.artifact import save_artifact
from compression.config.explain import explain
from compression.models.vgg11 import vgg11
from compression.pipeline import check, make_context

DIGITS = [str(digit) for digit in range(10)]
TINY_STUDENT = "distillation/student=custom distillation.student._target_=tiny_net.TinyNet"


def check_command(tmp_path, command):
    config = compose_config(*WIDE, "distillation=logit", f"output_dir={tmp_path}", *command.split())
    check(make_context(config, tmp_path / "run"))


def refusal(tmp_path, command):
    with pytest.raises((HydraException, ValueError)) as caught:
        check_command(tmp_path, command)
    assert not (tmp_path / "store").exists()
    message = explain(caught.value)
    assert "\n" not in message
    return message


def write_artifact(path, net, *, target="tiny_net.TinyNet", names=DIGITS, size=32, fold_bn=False, **kwargs):
    save_artifact(
        path,
        net,
        architecture={"target": target, "kwargs": kwargs, "num_classes": len(names)},
        class_names=names,
        input={"size": size, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)},
        fold_bn=fold_bn,
    )
    return path


def test_a_student_that_cannot_inherit(tmp_path):
    wanted = "distillation.inherit_weights=true needs a student that is its teacher with fewer channels: "
    wider = f"{TINY_STUDENT} +distillation.student.width=64 distillation.inherit_weights=true strategy=none"
    assert refusal(tmp_path, wider) == (
        f"{wanted}features.0.weight is float32 [64, 3, 3, 3] in the student and float32 [32, 3, 3, 3] in the teacher"
    )
    other = "distillation/student=resnet18 distillation.inherit_weights=true strategy=none"
    assert refusal(tmp_path, other).endswith("in the student and absent from the teacher")


@pytest.fixture
def teacher(tmp_path):
    return tmp_path / "teacher.cmp"


def test_other_numbers_of_classes(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=3), names=["cat", "dog", "emu"])
    expected = f"distillation.teacher={teacher} has 3 classes, the data 10: must be the same ones"
    assert refusal(tmp_path, f"distillation.teacher={teacher}") == expected
    state = tmp_path / "teacher.safetensors"
    save_file(TinyNet(num_classes=100, width=32).state_dict(), state)
    expected = f"distillation.teacher={state} has 100 classes, the data 10: must be the same ones"
    assert refusal(tmp_path, f"distillation.teacher={state}") == expected


def test_as_many_classes_of_other_names(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=10), names=[*DIGITS[:8], "9", "8"])
    assert refusal(tmp_path, f"distillation.teacher={teacher}") == (
        f"distillation.teacher={teacher} has other classes: '9' where the data has '8'; "
        "must be those of the data, in their order"
    )


def test_no_file(tmp_path):
    expected = "distillation.teacher=nowhere.cmp: no such file"
    assert refusal(tmp_path, "distillation.teacher=nowhere.cmp") == expected


@pytest.mark.parametrize("name", ["teacher.cmp", "teacher.pt"])
def test_a_file_that_holds_no_model(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"not a model at all")
    message = refusal(tmp_path, f"distillation.teacher={file}")
    assert message.startswith(f"distillation.teacher={file} is no artifact, checkpoint or state dict: ")


def test_a_damaged_artifact(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=10))
    teacher.write_bytes(teacher.read_bytes()[:-20])
    assert refusal(tmp_path, f"distillation.teacher={teacher}").startswith(f"distillation.teacher={teacher} is no")


def test_weights_of_another_architecture(tmp_path):
    file = tmp_path / "teacher.pt"
    torch.save(TinyNet(num_classes=10, width=8).state_dict(), file)
    message = refusal(tmp_path, f"distillation.teacher={file}")
    start = f"distillation.teacher={file} must be an artifact, or weights of model tiny_net.TinyNet: "
    assert message.startswith(start)
    assert "features.0.weight" in message


def test_an_artifact_whose_code_is_not_named(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=10), target="somebody.elses.Net")
    assert refusal(tmp_path, f"distillation.teacher={teacher}") == (
        f"distillation.teacher={teacher} is a somebody.elses.Net: must be one of compression.models, or of a module "
        "that model._target_ or the student names (tiny_net)"
    )


def test_a_teacher_that_does_not_run_on_the_images(tmp_path, teacher):
    settings = {"batch_norm": True, "head": "compact", "stem": "imagenet"}
    net = vgg11(num_classes=10, **settings)
    write_artifact(teacher, net, target="compression.models.vgg11.vgg11", **settings)
    message = refusal(tmp_path, f"distillation.teacher={teacher} data.image_size=16")
    assert message.startswith(f"distillation.teacher={teacher} does not run on data.image_size=16: ")


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (
            "distillation/student=resnet18 distillation.student.width_mult=2",
            "distillation.student.width_mult=2 is out of range; allowed: 0 < width_mult <= 1",
        ),
        (
            "distillation/student=custom distillation.student._target_=no_such.Net",
            "distillation.student no_such.Net: no module named 'no_such'",
        ),
        (
            f"{TINY_STUDENT} +distillation.student.depth=3",
            "distillation.student tiny_net.TinyNet: TinyNet.__init__() got an unexpected keyword argument 'depth'",
        ),
        (
            f"{TINY_STUDENT} sparsity=0.999999",
            # That of the student: the wider dense model bears more.
            "sparsity=0.999999 would empty a layer: must be at most 0.998 for this model",
        ),
    ],
)
def test_a_student_that_cannot_be_had(tmp_path, student, message):
    assert refusal(tmp_path, student) == message


def test_a_student_that_does_not_run_on_the_images(tmp_path):
    message = refusal(tmp_path, "distillation/student=vgg11 data.image_size=16")
    assert message.startswith("distillation.student compression.models.vgg11.vgg11 does not run on data.image_size=16")


@pytest.mark.parametrize(
    ("layers", "wrong"),
    [
        (
            "student_layers=[layer1] distillation.feature.teacher_layers=[features]",
            "student_layers=layer1",
        ),
        (
            "student_layers=[features.2] distillation.feature.teacher_layers=[classifier]",
            "teacher_layers=classifier",
        ),
    ],
)
def test_layers_that_are_not_there(tmp_path, layers, wrong):
    assert refusal(tmp_path, f"distillation=feature distillation.feature.{layers}") == (
        f"distillation.feature.{wrong}: gives no feature map [B, C, H, W] in TinyNet; "
        "the last of each resolution: features.2, features"
    )


def test_layers_that_are_gone_where_rounding_is_trained(tmp_path):
    layers = "distillation.feature.student_layers=[features] distillation.feature.teacher_layers=[features]"
    check_command(tmp_path, f"distillation=feature {layers}")
    assert refusal(tmp_path, f"distillation=feature {layers} quantization=qat bits=8") == (
        "distillation.feature.student_layers=features: gives no feature map [B, C, H, W] in TinyNet as "
        "quantization=qat runs it; the last of each resolution: features.2, features.5"
    )


def test_a_folded_teacher_runs_single_layers_and_gives_no_weights(tmp_path, teacher):
    given = f"distillation.teacher={teacher}"
    blocks = "distillation.feature.student_layers=[features] distillation.feature.teacher_layers=[features]"
    single = "distillation.feature.student_layers=[features] distillation.feature.teacher_layers=[features.5]"
    heirs = f"{TINY_STUDENT} distillation.inherit_weights=true strategy=none"
    write_artifact(teacher, TinyNet(num_classes=10, width=16), width=16, fold_bn=True)
    check_command(tmp_path, f"distillation=feature {single} {given}")
    assert refusal(tmp_path, f"distillation=feature {blocks} {given}") == (
        "distillation.feature.teacher_layers=features: gives no feature map [B, C, H, W] in TinyNet; "
        "the last of each resolution: features.2, features.5"
    )
    assert refusal(tmp_path, f"{heirs} {given}").endswith("in the student and absent from the teacher")
    write_artifact(teacher, TinyNet(num_classes=10, width=16), width=16)
    check_command(tmp_path, f"distillation=feature {blocks} {given}")
    check_command(tmp_path, f"{heirs} {given}")


def test_networks_without_feature_maps(tmp_path):
    command = "distillation=feature distillation/student=custom distillation.student._target_=odd_nets.FlatNet"
    assert refusal(tmp_path, f"{command} strategy=none") == (
        "distillation.feature.kind=attention: student and teacher must have feature maps [B, C, H, W] to compare; "
        "use distillation=logit"
    )


def test_what_is_compared_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="compression.stages.distillation")
    check_command(tmp_path, f"distillation=feature {TINY_STUDENT}")
    check_command(tmp_path, f"distillation=feature distillation.feature.kind=hint {TINY_STUDENT}")
    assert [record.getMessage() for record in caplog.records if record.name == "compression.stages.distillation"] == [
        "distillation  attention of features.2 from features.2, features from features",
        "distillation  hint of features from features",
    ]


def test_what_is_right_passes(tmp_path, teacher, caplog):
    caplog.set_level(logging.INFO, logger="compression.stages.teacher")
    # Another architecture, another normalization, another size: what a teacher may differ in.
    write_artifact(teacher, TinyNet(num_classes=10, width=16), size=48, width=16)
    check_command(tmp_path, f"distillation.teacher={teacher} {TINY_STUDENT}")
    assert "the teacher was trained on 48 pixels and is given 32" in caplog.text
