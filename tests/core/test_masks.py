import pytest
import torch
from torch import nn

from compression.core.masks import MaskSet, dense_masks
from compression.core.selection import prunable_weights


def make_linear():
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.copy_(torch.tensor([5.0, 6.0]))
    return layer


CORNER = torch.tensor([[True, False], [True, True]])

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "dampening": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "adam_single_tensor": lambda p: torch.optim.Adam(p, lr=0.1, foreach=False),
    "adamw_amsgrad": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True),
}


def test_counts():
    masks = MaskSet({"a": CORNER, "b": torch.tensor([[False, False, True, False]])})
    assert (masks.num_weights, masks.num_kept) == (8, 4)
    assert masks.sparsity == 0.5
    assert masks.layer_sparsity == {"a": 0.25, "b": 0.75}
    assert (list(masks), len(masks)) == (["a", "b"], 2)
    assert masks["a"] is CORNER


def test_biases_and_normalization_are_held_but_not_counted():
    masks = MaskSet({"conv.weight": CORNER, "conv.bias": torch.tensor([False, True])})
    assert (masks.num_weights, masks.num_kept) == (4, 3)
    assert masks.weight_names == ["conv.weight"]
    assert not masks.hold({"conv.weight": CORNER.float(), "conv.bias": torch.ones(2)})


def test_only_bool_masks():
    with pytest.raises(ValueError, match=r"^mask of fc.weight is torch.float32, must be torch.bool$"):
        MaskSet({"fc.weight": torch.ones(2)})


def test_dense_masks_keep_everything():
    masks = dense_masks({"a": torch.zeros(2, 3), "b": torch.ones(4)})
    assert masks.sparsity == 0
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == {"a": (2, 3), "b": (4,)}


def test_mask_weights_leaves_everything_else():
    layer = make_linear()
    weight = layer.weight
    MaskSet({"weight": CORNER}).mask_weights_(layer)
    assert layer.weight is weight
    assert layer.weight.tolist() == [[1, 0], [3, 4]]
    assert layer.bias.tolist() == [5, 6]


def test_mask_weights_removes_nan_and_infinity():
    layer = make_linear()
    with torch.no_grad():
        layer.weight[0, 1] = torch.nan
    MaskSet({"weight": CORNER}).mask_weights_(layer)
    assert layer.weight.tolist() == [[1, 0], [3, 4]]


def test_mask_gradients():
    layer = make_linear()
    masks = MaskSet({"weight": CORNER})
    masks.mask_gradients_(layer)
    assert layer.weight.grad is None
    layer(torch.tensor([[10.0, 20.0]])).sum().backward()
    masks.mask_gradients_(layer)
    assert layer.weight.grad.tolist() == [[10, 0], [10, 20]]
    assert layer.bias.grad.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_mask_gradients_of_any_type_and_layout(dtype):
    conv = nn.Conv2d(2, 3, 3, dtype=dtype)
    mask = torch.arange(54).view(3, 2, 3, 3) % 3 == 0
    masks = MaskSet({"weight": mask})
    for layout in (torch.contiguous_format, torch.channels_last, torch.contiguous_format):
        conv.weight.grad = torch.ones_like(conv.weight).contiguous(memory_format=layout)
        masks.mask_gradients_(conv)
        assert torch.equal(conv.weight.grad != 0, mask)


def test_mask_optimizer_state_finds_every_moment():
    layer = make_linear()
    optimizer = torch.optim.AdamW(layer.parameters(), amsgrad=True)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    before = {name: value.clone() for name, value in optimizer.state[layer.weight].items()}
    assert set(before) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    MaskSet({"weight": CORNER}).mask_optimizer_state_(layer, optimizer)
    after = optimizer.state[layer.weight]
    assert torch.equal(after["step"], before["step"])
    for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
        assert before[name].all()
        assert torch.equal(after[name], before[name] * CORNER)
    assert optimizer.state[layer.bias]["exp_avg"].all()


def test_hold():
    masks = MaskSet({"weight": CORNER})
    state = make_linear().state_dict()
    assert not masks.hold(state)
    state["weight"][0, 1] = -0.0
    assert masks.hold(state)
    state["weight"][0, 1] = 1e-45
    assert not masks.hold(state)
    state["weight"][0, 1] = torch.nan
    assert not masks.hold(state)


def test_to_returns_equal_masks():
    masks = MaskSet({"weight": CORNER})
    moved = masks.to("cpu")
    assert moved is not masks
    assert torch.equal(moved["weight"], CORNER)


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def train_with_a_change_of_masks(make_optimizer, *, mask_state):
    """Train six dense updates, then six masked ones; return whether a pruned weight ever left zero."""
    net = make_net()
    optimizer = make_optimizer(net.parameters())
    generator = torch.Generator().manual_seed(1)
    masks = dense_masks(prunable_weights(net))
    came_back = False
    for update in range(12):
        if update == 6:
            random = {name: torch.rand(m.shape, generator=generator) > 0.7 for name, m in masks.items()}
            masks = MaskSet(random)
            masks.mask_weights_(net)
            if mask_state:
                masks.mask_optimizer_state_(net, optimizer)
        optimizer.zero_grad()
        images = torch.randn(5, 3, 4, 4, generator=generator)
        nn.functional.cross_entropy(net(images), torch.tensor([0, 1, 2, 0, 1])).backward()
        masks.mask_gradients_(net)
        optimizer.step()
        came_back |= not masks.hold(net.state_dict())
    assert masks.sparsity > 0.5
    return came_back


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_stay_zero_through_every_step(name):
    assert not train_with_a_change_of_masks(OPTIMIZERS[name], mask_state=True)


@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam", "adamw_amsgrad"])
def test_state_left_unmasked_would_bring_weights_back(name):
    assert train_with_a_change_of_masks(OPTIMIZERS[name], mask_state=False)
