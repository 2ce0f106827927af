import sys

import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.models.registry import TIMM, build_model, is_built_in, is_own_family

RESNET = "compression.models.resnet18.resnet18"


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "users_nets.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self, *, num_classes, width=4):\n"
        "        super().__init__(width, num_classes)\n"
        "def not_a_model(*, num_classes): return num_classes\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "users_nets"
    sys.modules.pop("users_nets", None)


def test_builds_a_family():
    assert build_model(RESNET, num_classes=4, kwargs={"stem": "imagenet"}).fc.out_features == 4


def test_only_functions_named_for_their_file_are_built_in():
    assert is_built_in(RESNET)
    for target in (
        "compression.models.registry.build_model",
        "compression.models.resnet18.nn",
        "compression.models.resnet18.resnet18.resnet18",
        "compression.models..",
        "os.system",
    ):
        assert not is_built_in(target)


def test_a_class_of_the_user_gets_num_classes(package):
    model = build_model(f"{package}.Net", num_classes=4, kwargs={"width": 7}, allow=[package])
    assert isinstance(model, nn.Linear)
    assert model.weight.shape == (4, 7)


def test_without_allow_nothing_is_imported(package):
    with pytest.raises(InputError) as caught:
        build_model(f"{package}.Net", num_classes=4, kwargs={})
    assert str(caught.value) == (
        "model users_nets.Net is not one of compression.models and would run code of 'users_nets'; "
        "allow it with allow=['users_nets'], on the command line --allow-import users_nets"
    )
    assert package not in sys.modules


def test_allow_means_complete_packages():
    with pytest.raises(InputError, match="is not one of"):
        build_model("ossuary.Net", num_classes=2, kwargs={}, allow=["os"])


@pytest.mark.parametrize(
    ("target", "kwargs", "message"),
    [
        ("Net", {}, "model 'Net' is not a dotted name; allowed: package.module.name"),
        ("users_nets.Nett", {}, "model users_nets.Nett: module 'users_nets' has no class or function 'Nett'"),
        (
            "users_nets.number",
            {},
            "model users_nets.number: module 'users_nets' has no class or function 'number'",
        ),
        ("users_nets.not_a_model", {}, "model users_nets.not_a_model returned int; allowed: a torch.nn.Module"),
        ("users_nets.deep.Net", {}, "model users_nets.deep.Net: no module named 'users_nets.deep'"),
        (
            "users_nets.Net",
            {"depth": 3},
            "model users_nets.Net: Net.__init__() got an unexpected keyword argument 'depth'",
        ),
        (
            "compression.models.alexnet.alexnet",
            {},
            "model compression.models.alexnet.alexnet: no module named 'compression.models.alexnet'",
        ),
    ],
)
def test_bad_targets_are_named(package, target, kwargs, message):
    with pytest.raises(InputError) as caught:
        build_model(target, num_classes=2, kwargs=kwargs, allow=[package])
    assert str(caught.value) == message


def test_a_users_model_gets_in_channels_only_if_it_takes_it(package):
    with pytest.raises(InputError, match=r"users_nets.Net takes no argument in_channels, which data.channels=1 needs"):
        build_model(f"{package}.Net", num_classes=2, kwargs={"in_channels": 1}, allow=[package])
    net = build_model("tiny_net.TinyNet", num_classes=2, kwargs={"in_channels": 1}, allow=["tiny_net"])
    assert net.features[0].in_channels == 1


def test_a_constructor_that_raises_is_named():
    with pytest.raises(InputError, match=r"^model user_nets.CannotBeBuilt cannot be built: 2 is not 4$"):
        build_model("user_nets.CannotBeBuilt", num_classes=2, kwargs={}, allow=["user_nets"])


def test_a_users_model_is_adapted_named_once_and_settled():
    example = torch.zeros(2, 3, 32, 32)
    pair = build_model("user_nets.TupleOutput", num_classes=2, kwargs={}, allow=["user_nets"])
    assert pair(example).shape == (2, 2)
    tied = build_model("user_nets.TiedWeights", num_classes=2, kwargs={}, allow=["user_nets"])
    assert "outer.weight" not in tied.state_dict()
    lazy = build_model("user_nets.Lazy", num_classes=2, kwargs={}, allow=["user_nets"], example=example)
    assert lazy.head.weight.shape == (2, 64)


def test_models_of_timm_are_no_family_of_this_package():
    assert is_own_family(RESNET)
    assert is_built_in(TIMM)
    assert not is_own_family(TIMM)
    assert not is_own_family("user_nets.Lazy")
