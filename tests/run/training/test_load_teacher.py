"""A teacher that does not fit is refused in one line before training."""

import logging

import pytest
import torch
from safetensors.torch import save_file
from teachers import DIGITS, TINY_STUDENT, check_command, refusal, write_artifact
from tiny_net import TinyNet

from compression.models.vgg11 import vgg11


@pytest.fixture
def teacher(tmp_path):
    return tmp_path / "teacher.cmp"


def test_another_number_of_classes_is_refused(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=3), names=["cat", "dog", "emu"])
    expected = f"distillation.teacher={teacher} has 3 classes, the data 10: must be the same ones"
    assert refusal(tmp_path, f"distillation.teacher={teacher}") == expected
    state = tmp_path / "teacher.safetensors"
    save_file(TinyNet(num_classes=100, width=32).state_dict(), state)
    expected = f"distillation.teacher={state} has 100 classes, the data 10: must be the same ones"
    assert refusal(tmp_path, f"distillation.teacher={state}") == expected


def test_other_class_names_are_refused(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=10), names=[*DIGITS[:8], "9", "8"])
    assert refusal(tmp_path, f"distillation.teacher={teacher}") == (
        f"distillation.teacher={teacher} has other classes: '9' where the data has '8'; "
        "must be those of the data, in their order"
    )


def test_a_missing_teacher_file_is_refused(tmp_path):
    expected = "distillation.teacher=nowhere.cmp: no such file"
    assert refusal(tmp_path, "distillation.teacher=nowhere.cmp") == expected


@pytest.mark.parametrize("name", ["teacher.cmp", "teacher.pt"])
def test_a_file_without_a_model_is_refused(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"not a model at all")
    message = refusal(tmp_path, f"distillation.teacher={file}")
    assert message.startswith(f"distillation.teacher={file} is not an artifact, checkpoint or state dict: ")


def test_a_damaged_artifact_is_refused(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=10))
    teacher.write_bytes(teacher.read_bytes()[:-20])
    assert refusal(tmp_path, f"distillation.teacher={teacher}").startswith(f"distillation.teacher={teacher} is not")


def test_weights_of_another_architecture_are_refused(tmp_path):
    file = tmp_path / "teacher.pt"
    torch.save(TinyNet(num_classes=10, width=8).state_dict(), file)
    message = refusal(tmp_path, f"distillation.teacher={file}")
    start = f"distillation.teacher={file} must be an artifact, or weights of model tiny_net.TinyNet: "
    assert message.startswith(start)
    assert "features.0.weight" in message


def test_an_artifact_of_an_unnamed_module_is_refused(tmp_path, teacher):
    write_artifact(teacher, TinyNet(num_classes=10), target="somebody.elses.Net")
    assert refusal(tmp_path, f"distillation.teacher={teacher}") == (
        f"distillation.teacher={teacher} is a somebody.elses.Net: must be one of compression.models, or of a module "
        "that model._target_ or the student names (tiny_net)"
    )


def test_a_teacher_that_does_not_run_on_the_images_is_refused(tmp_path, teacher):
    settings = {"batch_norm": True, "head": "compact", "stem": "imagenet", "width_mult": 0.125}
    net = vgg11(num_classes=10, **settings)
    write_artifact(teacher, net, target="compression.models.vgg11.vgg11", **settings)
    message = refusal(tmp_path, f"distillation.teacher={teacher} data.image_size=16")
    assert message.startswith(f"distillation.teacher={teacher} does not run on data.image_size=16: ")


def test_a_teacher_of_another_size_and_normalization_passes(tmp_path, teacher, caplog):
    caplog.set_level(logging.INFO, logger="compression.run.checks.check_distillation")
    # A teacher may have another architecture, another normalization and another image size.
    write_artifact(teacher, TinyNet(num_classes=10, width=16), size=48, width=16)
    check_command(tmp_path, f"distillation.teacher={teacher} {TINY_STUDENT}")
    assert "the teacher was trained on 48 pixels and is given 32" in caplog.text
