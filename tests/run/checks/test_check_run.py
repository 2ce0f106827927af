import sys

import pytest
from checks import check_command, refusal
from safetensors.torch import save_file
from tiny_net import TinyNet


def test_the_error_about_a_student_names_the_students_key(tmp_path):
    student = "distillation=logit distillation/student=custom distillation.student._target_=odd_nets.TwoOutputs"
    message = refusal(tmp_path, *student.split(), "strategy=none")
    assert message.startswith("distillation.student")


@pytest.mark.parametrize("given", ["nowhere.safetensors", "nowhere.cmp"])
def test_missing_given_weights_are_refused(tmp_path, given):
    assert refusal(tmp_path, f"model.weights={given}") == f"model.weights={given}: no such file"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime", "tensorboard"])
def test_a_missing_package_of_a_later_stage_is_refused(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert refusal(tmp_path, "strategy=none").startswith(f"{package} is not installed: pip install ")


def test_a_complete_configuration_passes(tmp_path):
    check_command(tmp_path, "strategy=oneshot_l1", "weight_bits=8", "activation_bits=8", "distillation=logit")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "",
            "training.freeze_epochs=1 would keep random weights: must be 0, or with model.weights or model.pretrained",
        ),
        ("trainer.devices=2 model.weights={}", "training.freeze_epochs=1 contradicts trainer.devices=2: must be 0"),
    ],
)
def test_frozen_epochs_need_trained_weights_and_one_device(tmp_path, more, message):
    save_file(TinyNet(num_classes=10, width=32).state_dict(), tmp_path / "given.safetensors")
    more = more.format(tmp_path / "given.safetensors").split()
    assert refusal(tmp_path, "strategy=none", "training.freeze_epochs=1", *more).startswith(message)


def test_fine_tuning_needs_weights(tmp_path):
    message = "training.fine_tune=true needs weights to start from: must be false, or with model.weights"
    assert refusal(tmp_path, "strategy=none", "training.fine_tune=true") == message


def test_more_frozen_epochs_than_epochs_are_refused(tmp_path):
    message = "training.freeze_epochs=5: must be in [0, training.epochs=3]"
    assert refusal(tmp_path, "training.freeze_epochs=5") == message


def test_what_becomes_of_given_weights_is_told(tmp_path, caplog):
    caplog.set_level("INFO")
    save_file(TinyNet(num_classes=4, width=32).state_dict(), tmp_path / "given.safetensors")
    check_command(tmp_path, "strategy=none", f"model.weights={tmp_path}/given.safetensors")
    assert "a new head for 10 classes (classifier.weight, classifier.bias)" in caplog.text


def test_a_model_without_in_channels_is_refused_for_grey_images(tmp_path):
    message = refusal(tmp_path, "model=custom", "model._target_=colour_net.Net", "data.channels=1")
    assert message == (
        "model colour_net.Net takes no argument in_channels, which data.channels=1 needs; "
        "allowed: data.channels=3, or a model with this argument"
    )


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("data._target_=collections.OrderedDict", "data"),
        ("callbacks.mine._target_=collections.OrderedDict", "callbacks.mine"),
        ("strategy.criterion._target_=torch.nn.ReLU", "strategy.criterion"),
        ("strategy.granularity._target_=collections.OrderedDict", "strategy.granularity"),
        ("strategy.allocation._target_=collections.OrderedDict", "strategy.allocation"),
        ("strategy.schedule._target_=collections.OrderedDict", "strategy.schedule"),
        ("bits=8 quantization.weights._target_=collections.OrderedDict", "quantization.weights"),
        ("bits=8 quantization.activations._target_=collections.OrderedDict", "quantization.activations"),
        ("training.optimizer._target_=odd_nets.no_optimizer", "training.optimizer"),
    ],
)
def test_an_object_of_the_wrong_kind_is_refused(tmp_path, command, key):
    plus = "+" if key.startswith("callbacks") else ""
    assert refusal(tmp_path, "strategy=oneshot_l1", *f"{plus}{command}".split()).startswith(f"{key}._target_=")
