import pytest
from runs import compose_config

from compression.core.errors import InputError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.loss=hinge", "training.loss=hinge: must be one of cross_entropy, focal"),
        ("training.focal_gamma=-1", "training.focal_gamma=-1.0: must be a number >= 0"),
        ("training.focal_gamma=inf", "training.focal_gamma=inf: must be a number >= 0"),
        ("training.optimizer.lr=inf", "training.optimizer.lr=inf: must be a number > 0"),
        ("training.optimizer.lr=true", "training.optimizer.lr=True: must be a number > 0"),
        ("training.gradient_clip=inf", "training.gradient_clip=inf: must be > 0, or null for none"),
        ("training.focal_gamma=1", "training.focal_gamma=1.0 contradicts training.loss=cross_entropy: use loss=focal"),
        (
            "training.class_weights=inverse",
            "training.class_weights=inverse: must be none, balanced, or a mapping of class names to numbers > 0",
        ),
        ("training.class_weights={cat: 0}", "training.class_weights.cat=0: must be a number > 0"),
        ("training.class_weights={cat: many}", "training.class_weights.cat=many: must be a number > 0"),
        ("training.class_weights={cat: true}", "training.class_weights.cat=True: must be a number > 0"),
        (
            "training.monitor=recall",
            "training.monitor=recall: must be one of auto, accuracy, balanced_accuracy, macro_f1",
        ),
    ],
)
def test_wrong_values_are_refused(override, message):
    with pytest.raises(InputError) as error:
        compose_config(override)
    assert str(error.value) == message


def test_focal_loss_refuses_label_smoothing():
    with pytest.raises(InputError, match=r"label_smoothing=0.1 contradicts training.loss=focal: must be 0"):
        compose_config("training.loss=focal", "training.label_smoothing=0.1")


def test_rare_classes_are_not_counted_twice():
    with pytest.raises(InputError, match="together they count rare classes twice"):
        compose_config("training.class_weights=balanced", "data.sampling=balanced")


def test_weights_of_classes_are_given_by_name():
    config = compose_config("training.class_weights={7: 2, dog: 0.5}")
    assert config.training.class_weights == {7: 2, "dog": 0.5}
