"""The loss of a run and the settings in the keys of its stages, on digits and on a folder with a rare class."""

import pytest
import torch
from coloured_folders import save_folder
from runs import TINY, compose_config

from compression.core.errors import InputError
from compression.run.building.configured_loss import (
    check_class_weights,
    make_label_loss,
    shared_settings,
    training_settings,
)
from compression.run.context import make_context

COUNTS = {"blue": 60, "red": 6}


@pytest.fixture
def make(tmp_path):
    root = save_folder(tmp_path / "images", COUNTS)

    def make(*overrides):
        folder = ("data=image_folder", f"data.root={root}", "data.image_size=8")
        return make_context(compose_config(*TINY, *folder, *overrides, f"output_dir={tmp_path}"), tmp_path)

    return make


def test_by_default_no_class_has_a_weight(make):
    loss = make_label_loss(make())
    assert (loss.weights, loss.gamma, loss.label_smoothing) == (None, None, 0.0)


def test_balanced_weights_are_of_the_training_images(make):
    context = make("training.class_weights=balanced")
    counts = torch.bincount(context.data.images.train.labels)
    weights = make_label_loss(context).weights
    assert weights.tolist() == pytest.approx((counts.sum() / (2 * counts)).tolist())


def test_named_weights_are_1_on_average_over_the_training_images(make):
    context = make("training.class_weights={red: 4}")
    counts = torch.bincount(context.data.images.train.labels).double()
    weights = make_label_loss(context).weights
    assert float(weights[1] / weights[0]) == pytest.approx(4)
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1)


def test_named_weights_are_1_on_average_over_the_images_as_drawn(make):
    context = make("training.class_weights={red: 4}", "data.sampling=balanced")
    weights = make_label_loss(context).weights
    assert weights.tolist() == pytest.approx([0.4, 1.6])
    natural = training_settings(make("training.class_weights={red: 4}"))
    assert training_settings(context)["class_weights"] != natural["class_weights"]


def test_focal_loss(make):
    assert make_label_loss(make("training.loss=focal", "training.focal_gamma=1.5")).gamma == 1.5


def test_an_unknown_class_is_refused_with_the_known_ones(make):
    with pytest.raises(InputError) as error:
        check_class_weights(make("training.class_weights={reed: 4}"))
    assert str(error.value) == ("training.class_weights.reed: must be one of the classes blue, red (did you mean red?)")
    check_class_weights(make("training.class_weights={red: 4}"))


def test_digits_are_named_by_numbers(tmp_path):
    config = compose_config(*TINY, "training.class_weights={7: 3}", f"output_dir={tmp_path}")
    context = make_context(config, tmp_path)
    check_class_weights(context)
    assert int(make_label_loss(context).weights.argmax()) == 7


def test_defaults_are_not_in_the_key_and_the_monitor_is_as_found(make, tmp_path):
    digits = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)
    plain = training_settings(digits)
    assert not {"loss", "focal_gamma", "class_weights", "monitor"} & set(plain)
    # 60 images of blue and 6 of red are ten times apart.
    assert make().monitor == "balanced_accuracy"
    assert training_settings(make())["monitor"] == "balanced_accuracy"
    assert training_settings(make("training.monitor=balanced_accuracy")) == training_settings(make())
    assert "monitor" not in training_settings(make("training.monitor=accuracy"))
    assert digits.monitor == "accuracy"


def test_later_trainings_share_the_loss(make):
    shared = shared_settings(make("training.class_weights=balanced", "training.loss=focal"))
    assert set(shared) == {"optimizer", "label_smoothing", "gradient_clip", "loss", "class_weights", "monitor"}


def test_the_choice_by_classes_is_told_once_and_an_own_choice_is_not(make):
    assert make().data.describe_monitor() == (
        "epochs and models are chosen by balanced accuracy, for class blue has 60 images and red 6; "
        "training.monitor=accuracy chooses by accuracy"
    )
    assert make("training.monitor=accuracy").data.describe_monitor() is None
    assert make("training.monitor=balanced_accuracy").data.describe_monitor() is None


def test_the_code_of_an_optimizer_of_the_user_is_in_the_key_of_every_training(make, tmp_path, monkeypatch):
    assert "code" not in training_settings(make())
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_optimizers.py").write_text("momentum = 0.5\n")
    context = make("training.optimizer._target_=my_optimizers.Slow")
    assert list(training_settings(context)["code"]) == list(shared_settings(context)["code"]) == ["my_optimizers.Slow"]
