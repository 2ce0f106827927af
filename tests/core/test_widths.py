import pytest
import torch
import torchvision
from torch import nn

from compression.core.errors import InputError
from compression.core.widths import fit_widths_


def make_net():
    """Layer 3 is depthwise, layer 4 grouped."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.Conv2d(8, 8, 1, groups=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6), nn.BatchNorm1d(6),
        nn.Linear(6, 4),
    )  # fmt: skip


NARROW = {
    "0.weight": [4, 3, 3, 3], "0.bias": [4], "1.weight": [4], "1.bias": [4], "1.running_mean": [4],
    "1.running_var": [4], "1.num_batches_tracked": [], "3.weight": [4, 1, 3, 3],
}  # fmt: skip


def shapes_of(model):
    return {name: list(value.shape) for name, value in model.state_dict().items()}


def test_shapes_and_attributes():
    model = make_net()
    kept = model[4].weight
    assert fit_widths_(model, NARROW) is model
    assert {name: shape for name, shape in shapes_of(model).items() if name in NARROW} == NARROW
    assert (model[0].in_channels, model[0].out_channels) == (3, 4)
    assert model[1].num_features == 4
    assert (model[3].in_channels, model[3].out_channels, model[3].groups) == (4, 4, 4)
    assert model[0].padding == (1, 1)
    assert model[4].weight is kept


def test_linear_layers_and_their_batch_norm():
    model = fit_widths_(make_net(), {"7.weight": [3, 8], "8.weight": [3], "9.weight": [4, 3]})
    assert (model[7].in_features, model[7].out_features, model[9].in_features) == (8, 3, 3)
    assert len(model[7].bias) == len(model[8].running_var) == model[8].num_features == 3
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 4)


def test_equal_shapes_change_nothing():
    model = make_net()
    parameters = list(model.parameters())
    fit_widths_(model, shapes_of(model))
    assert all(before is after for before, after in zip(parameters, model.parameters(), strict=True))


def test_names_without_a_layer_are_ignored():
    model = make_net()
    fit_widths_(model, {"5.weight": [1], "other.weight": [2, 2]})
    assert shapes_of(model) == shapes_of(make_net())


def test_dtype_and_requires_grad_are_kept():
    model = make_net().half()
    model[0].weight.requires_grad_(False)
    fit_widths_(model, NARROW)
    assert [model[0].weight.requires_grad, model[0].bias.requires_grad] == [False, True]
    assert {value.dtype for value in (model[0].weight, model[1].running_mean)} == {torch.float16}
    assert model[1].num_batches_tracked.shape == ()


def test_a_single_layer():
    layer = fit_widths_(nn.Linear(4, 4), {"weight": [2, 3]})
    assert (tuple(layer.weight.shape), tuple(layer.bias.shape)) == ((2, 3), (2,))


def test_batch_norm_without_scales_follows_its_statistics():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, affine=False))
    small = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5, affine=False))
    fit_widths_(model, shapes_of(small)).load_state_dict(small.state_dict())
    assert model(torch.zeros(2, 3, 4, 4)).shape == (2, 5, 4, 4)


def test_on_the_meta_device():
    with torch.device("meta"):
        model = make_net()
    fit_widths_(model, NARROW)
    assert all(value.is_meta for value in model.state_dict().values())
    assert model.state_dict()["1.running_mean"].shape == (4,)


def test_a_narrow_network_of_the_same_architecture_loads():
    def make(width):
        return torchvision.models.mobilenet_v2(num_classes=10, width_mult=width).eval()

    small = make(0.5)
    with torch.device("meta"):
        model = make(1.0)
    fit_widths_(model, shapes_of(small)).load_state_dict(small.state_dict(), assign=True)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(images), small(images))


@pytest.mark.parametrize(
    ("name", "shape", "dense"),
    [
        ("0", [9, 3, 3, 3], [8, 3, 3, 3]),
        ("0", [4, 3, 1, 1], [8, 3, 3, 3]),
        ("0", [0, 3, 3, 3], [8, 3, 3, 3]),
        ("0", [4, 3], [8, 3, 3, 3]),
        ("1", [9], [8]),
        ("1", [4, 4], [8]),
        ("3", [4, 2, 3, 3], [8, 1, 3, 3]),
        ("4", [4, 4, 1, 1], [8, 4, 1, 1]),
        ("7", [6, 9], [6, 8]),
        ("7", [6], [6, 8]),
        ("9", [], [4, 6]),
    ],
)
def test_wider_or_mismatched_shapes_are_refused_by_name(name, shape, dense):
    with pytest.raises(InputError) as caught:
        fit_widths_(make_net(), {f"{name}.weight": shape})
    assert str(caught.value) == (
        f"{name}.weight of shape {shape} is not a narrower form of {dense}, which the architecture has"
    )
