"""A teacher and a student that do not fit together are refused in one line, before training."""

import logging

import pytest
from teachers import TINY_STUDENT, check_command, refusal, write_artifact
from tiny_net import TinyNet


def test_a_student_that_cannot_inherit_weights_is_refused(tmp_path):
    wanted = "distillation.inherit_weights=true needs a student that is its teacher with fewer channels: "
    wider = f"{TINY_STUDENT} +distillation.student.width=64 distillation.inherit_weights=true strategy=none"
    assert refusal(tmp_path, wider) == (
        f"{wanted}features.0.weight is float32 [64, 3, 3, 3] in the student and float32 [32, 3, 3, 3] in the teacher"
    )
    other = "distillation/student=resnet18 distillation.inherit_weights=true strategy=none"
    assert refusal(tmp_path, other).endswith("in the student and absent from the teacher")


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
            # The limit of the student. The wider dense model allows a higher sparsity.
            "sparsity=0.999999 would empty a layer: must be at most 0.998 for this model",
        ),
    ],
)
def test_a_student_with_wrong_settings_is_refused(tmp_path, student, message):
    assert refusal(tmp_path, student) == message


def test_a_student_that_does_not_run_on_the_images_is_refused(tmp_path):
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
def test_layers_without_a_feature_map_are_refused(tmp_path, layers, wrong):
    assert refusal(tmp_path, f"distillation=feature distillation.feature.{layers}") == (
        f"distillation.feature.{wrong}: gives no feature map [B, C, H, W] in TinyNet; "
        "the last of each resolution: features.2, features"
    )


def test_layers_that_the_traced_graph_lacks_are_refused_with_qat(tmp_path):
    layers = "distillation.feature.student_layers=[features] distillation.feature.teacher_layers=[features]"
    check_command(tmp_path, f"distillation=feature {layers}")
    assert refusal(tmp_path, f"distillation=feature {layers} quantization=qat bits=8") == (
        "distillation.feature.student_layers=features: gives no feature map [B, C, H, W] in TinyNet as "
        "quantization=qat runs it; the last of each resolution: features.2, features.5"
    )


@pytest.mark.slow
def test_a_folded_teacher_has_no_containers_and_no_weights_to_inherit(tmp_path):
    teacher = tmp_path / "teacher.cmp"
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


def test_networks_without_feature_maps_are_refused(tmp_path):
    command = "distillation=feature distillation/student=custom distillation.student._target_=odd_nets.FlatNet"
    assert refusal(tmp_path, f"{command} strategy=none") == (
        "distillation.feature.kind=attention: student and teacher must have feature maps [B, C, H, W] to compare; "
        "use distillation=logit"
    )


def test_the_compared_layers_are_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="compression.run.checks.check_distillation")
    check_command(tmp_path, f"distillation=feature {TINY_STUDENT}")
    check_command(tmp_path, f"distillation=feature distillation.feature.kind=hint {TINY_STUDENT}")
    name = "compression.run.checks.check_distillation"
    assert [record.getMessage() for record in caplog.records if record.name == name] == [
        "distillation  attention of features.2 from features.2, features from features",
        "distillation  hint of features from features",
    ]
