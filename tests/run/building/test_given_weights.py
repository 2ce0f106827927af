import hashlib

import pytest
import torch
from runs import TINY, compose_config
from safetensors.torch import save_file
from tiny_net import TinyNet

from compression.artifact import save_artifact
from compression.core.errors import InputError
from compression.run.building.given_weights import (
    describe_start,
    find_head,
    hash_given_weights,
    load_given_weights_,
    starts_from_weights,
)
from compression.run.context import make_context

HEAD = {"classifier.weight", "classifier.bias"}


@pytest.fixture
def make(tmp_path):
    """Function that returns the context of a run on digits with a file of weights of ``net``."""

    def run(net, *overrides, classes=None):
        file = tmp_path / ("given.safetensors" if classes is None else "given.cmp")
        if classes is None:
            save_file(net.state_dict(), file)
        else:
            architecture = {"target": "tiny_net.TinyNet", "kwargs": {}, "num_classes": len(classes)}
            spec = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
            save_artifact(file, net, architecture=architecture, class_names=classes, input=spec)
        config = compose_config(*TINY, f"model.weights={file}", f"output_dir={tmp_path}", *overrides)
        return make_context(config, tmp_path / "run")

    return run


def equal_but(first, second):
    second = second.state_dict()
    return {name for name, value in first.state_dict().items() if not value.equal(second[name])}


def test_given_weights_are_loaded_and_hashed_by_content(make, tmp_path):
    given, model = TinyNet(num_classes=10), TinyNet(num_classes=10)
    context = make(given)
    adapted = load_given_weights_(context, model)
    assert not equal_but(given, model)
    assert not starts_from_weights(context)
    file = tmp_path / "given.safetensors"
    assert describe_start(context, adapted) == f"{file} replaces dense training"
    assert hash_given_weights(str(file)) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_other_classes_get_a_new_head_and_start_a_training(make, tmp_path):
    given = TinyNet(num_classes=4)
    context = make(given, "training.freeze_epochs=1")
    model = context.build_model()
    own = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = load_given_weights_(context, model)
    assert starts_from_weights(context)
    assert all(model.state_dict()[name].equal(own[name]) for name in HEAD)
    assert all(model.state_dict()[name].equal(value) for name, value in given.state_dict().items() if name not in HEAD)
    assert describe_start(context, adapted) == (
        f"starts from 12 tensors of {tmp_path}/given.safetensors, a new head for 10 classes "
        "(classifier.weight, classifier.bias); all but the head is frozen for 1 epochs"
    )


def test_a_stem_of_three_channels_starts_a_training_on_grey_images(make):
    context = make(TinyNet(num_classes=10), "data.channels=1")
    model = context.build_model()
    adapted = load_given_weights_(context, model)
    assert starts_from_weights(context)
    assert describe_start(context, adapted).endswith("features.0.weight summed over 3 input channels")
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_an_artifact_of_other_class_names_is_a_start_although_it_fits(make):
    names = [str(digit) for digit in range(10)]
    assert not starts_from_weights(make(TinyNet(num_classes=10), "storage.fold_bn=false", classes=names))
    assert starts_from_weights(make(TinyNet(num_classes=10), classes=[*names[:9], "ten"]))


@pytest.mark.parametrize("setting", ["training.freeze_epochs=2", "training.fine_tune=true"])
def test_a_setting_makes_fitting_weights_a_start(make, setting):
    context = make(TinyNet(num_classes=10), setting)
    assert starts_from_weights(context)
    assert load_given_weights_(context, context.build_model()).new == ()


def test_the_head_is_what_depends_on_the_classes(make):
    context = make(TinyNet(num_classes=10))
    model = context.build_model()
    state = torch.get_rng_state()
    assert find_head(context, model) == HEAD
    assert torch.get_rng_state().equal(state)


def test_weights_of_another_network_are_refused(make):
    with pytest.raises(InputError, match=r"do not fit the model: of another shape: features.0.weight \[16, 3, 3, 3\]"):
        starts_from_weights(make(TinyNet(num_classes=4, width=16)))


def test_the_error_names_a_missing_file(make):
    context = make(TinyNet(num_classes=10), "model.weights=nowhere.pt")
    for action in (lambda: hash_given_weights("nowhere.pt"), lambda: starts_from_weights(context)):
        with pytest.raises(InputError, match=r"^model\.weights=nowhere\.pt: no such file$"):
            action()
