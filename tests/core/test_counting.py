import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from compression.core.counting import (
    count_layer_weights,
    count_macs,
    count_nonzero_macs,
    count_nonzero_parameters,
    count_parameters,
    layer_macs,
    layer_sparsity,
    model_sparsity,
)
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11


def make_net():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    ).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1)
    return net


def test_parameters():
    # 3*8*9 + 8; 8 + 8; 8*9; 8*5 + 5
    assert count_parameters(make_net()) == 224 + 16 + 72 + 45
    assert count_parameters(nn.ReLU()) == 0


def test_nonzero_parameters():
    net = make_net()
    with torch.no_grad():
        net[0].weight[0] = 0
        net[1].bias.fill_(-0.0)
    assert count_nonzero_parameters(net) == 357 - 27 - 8


def test_macs_by_hand():
    # 4x4 outputs of 8x8 images: 16*8*27 and, depthwise, 16*8*9; then 8*5.
    assert count_macs(make_net(), 8) == 3456 + 1152 + 40


def test_macs_count_zeros_and_leave_the_model_alone():
    net = make_net()
    with torch.no_grad():
        net[5].weight.zero_()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert count_macs(net, 8) == 4648
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize(("name", "macs"), [("resnet18", 1_814_073_344), ("mobilenet_v2", 300_774_272)])
def test_macs_of_the_published_networks(name, macs):
    """Torchvision publishes 1.814 and 0.301 GMACs at 224 pixels and 1,000 classes."""
    import torchvision

    with torch.device("meta"):
        net = getattr(torchvision.models, name)().eval()
    assert count_macs(net, 224) == macs


def test_sparsity_counts_only_weights():
    net = make_net()
    with torch.no_grad():
        net[0].weight[:6] = 0
        net[2].weight.zero_()
        net[1].weight.zero_()
        net[0].bias.zero_()
    assert layer_sparsity(net) == {"0.weight": 0.75, "2.weight": 1, "5.weight": 0}
    assert model_sparsity(net) == pytest.approx((162 + 72) / (216 + 72 + 40))


def test_dense_model():
    assert model_sparsity(make_net()) == 0


def test_count_layer_weights_includes_zeros():
    net = make_net()
    with torch.no_grad():
        net[0].weight.zero_()
    assert count_layer_weights(net) == {"0.weight": 216, "2.weight": 72, "5.weight": 40}


def test_removed_weights_count_as_zeros_of_the_dense_model():
    dense = count_layer_weights(make_net())
    net = make_net()
    net[0], net[1] = nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)
    net[2], net[5] = nn.Conv2d(2, 2, 3, groups=2), nn.Linear(2, 5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1)
        net[5].weight[0] = 0
    assert layer_sparsity(net, dense) == {"0.weight": 0.75, "2.weight": 0.75, "5.weight": 0.8}
    assert model_sparsity(net, dense) == pytest.approx(1 - (54 + 18 + 8) / (216 + 72 + 40))
    assert layer_sparsity(net) == {"0.weight": 0, "2.weight": 0, "5.weight": pytest.approx(0.2)}
    assert model_sparsity(net) == pytest.approx(2 / 82)


def test_layer_macs_by_hand():
    example = torch.zeros(2, 3, 8, 8)
    assert layer_macs(make_net(), example) == {"0.weight": 3456, "2.weight": 1152, "5.weight": 40}


def test_layer_macs_count_every_run_and_skip_unused_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Conv2d(3, 3, 1), nn.Linear(4, 4)

        def forward(self, x):
            return self.used(self.used(x))

    assert layer_macs(Net(), torch.zeros(1, 3, 5, 5)) == {"used.weight": 2 * 25 * 9}


def test_macs_of_nonzero_weights():
    """Without 27 weights at 16 positions each, and without 8 weights of the head."""
    net = make_net()
    assert count_nonzero_macs(net, 8) == 3456 + 1152 + 40
    with torch.no_grad():
        net[0].weight[0] = 0
        net[5].weight[0] = 0
    assert count_nonzero_macs(net, 8) == 3456 - 27 * 16 + 1152 + 40 - 8


def test_macs_of_a_shared_weight_count_in_each_layer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(12, 5, bias=False), nn.Linear(12, 5, bias=False)
            self.two.weight = self.one.weight

        def forward(self, images):
            return self.one(images.flatten(1)) + self.two(images.flatten(1))

    net = Net()
    with torch.no_grad():
        net.one.weight.fill_(1)[0] = 0
    assert count_nonzero_macs(net, 2) == 2 * 4 * 12


def test_layer_macs_leave_the_model_alone():
    net = make_net().train()
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    layer_macs(net, torch.ones(2, 3, 8, 8))
    assert net.training
    assert not net[1].training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("make_model", [resnet18, mobilenet_v2, vgg11])
def test_layer_macs_sum_to_those_of_the_model(make_model):
    net = make_model(num_classes=10).eval()
    macs = layer_macs(net, torch.zeros(2, 3, 32, 32))
    assert set(macs) == set(count_layer_weights(net))
    assert sum(macs.values()) == count_macs(net, 32)


def test_macs_of_a_network_that_passes_a_parameter_to_a_layer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.place, self.drop, self.head = nn.Parameter(torch.ones(12)), nn.Dropout(), nn.Linear(12, 5)

        def forward(self, images):
            return self.head(images.flatten(1) + self.drop(self.place))

    net = Net()
    assert count_macs(net, 2) == 60
    assert net.place.requires_grad


def test_layers_that_a_network_lost_are_not_counted():
    dense, small = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        small[0].weight.fill_(1)[0] = 0
    whole = count_layer_weights(dense)
    assert layer_sparsity(small, whole) == {"0.weight": 0.5}
    assert model_sparsity(small, whole) == 0.5
    assert model_sparsity(nn.ReLU()) == 0


def test_a_shared_weight_is_found_under_its_other_name():
    one, two = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    two.weight = one.weight
    with torch.no_grad():
        one.weight.fill_(0)
    model = nn.ModuleDict({"b": one, "a": two})
    assert layer_sparsity(model, {"a.weight": 4}) == {"a.weight": 1.0}


def test_windows_along_the_first_axis_count_all():
    """Four windows of 4 positions, for each of which 2 x 3 weights are used."""

    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, images):
            windows = images.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 4, 5, 1).reshape(-1, 4, 3)
            return self.linear(windows).view(len(images), -1)

    for num_images in (1, 2):
        assert layer_macs(Windows(), torch.zeros(num_images, 3, 4, 4)) == {"linear.weight": 4 * 4 * 6}


class Attention(nn.Module):
    """An encoder layer of attention over 4 tokens of 8 values, and a linear layer whose weight alone is used."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, 2)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.mixed, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, images):
        tokens = self.encoder(self.patches(images).flatten(2).transpose(1, 2))
        return self.head(F.linear(tokens, self.mixed.weight).mean(1))


def test_macs_of_attention_by_hand():
    net = Attention().eval()
    expected = {
        "patches.weight": 4 * 8 * 12,
        "encoder.self_attn.out_proj.weight": 4 * 64,
        "encoder.linear1.weight": 4 * 128,
        "encoder.linear2.weight": 4 * 128,
        "mixed.weight": 4 * 64,
        "head.weight": 16,
    }
    assert list(layer_macs(net, torch.zeros(2, 3, 4, 4)).items()) == list(expected.items())
    # Queries, keys and values, then scores and sums of values, for 4 tokens.
    inside = 4 * 8 * 24 + 2 * 4 * 4 * 8
    assert count_macs(net, 4) == sum(expected.values()) + inside
    assert torch.backends.mha.get_fastpath_enabled()


def test_macs_that_cannot_be_pruned_are_left():
    net = nn.Sequential(nn.ConvTranspose2d(3, 4, 2, 2), nn.Conv2d(4, 2, 1), nn.Flatten())
    with torch.no_grad():
        net[1].weight.fill_(1)[0] = 0
    assert count_nonzero_macs(net, 2) == 4 * 3 * 16 + 16 * 4
    bare = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert layer_macs(bare[1], torch.zeros(1, 12)) == {"weight": 24}


def test_macs_of_a_weight_that_is_computed_at_each_use():
    net = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 1)), nn.Flatten(), nn.Linear(16, 2))
    assert layer_macs(net, torch.zeros(1, 3, 2, 2)) == {"0.weight": 48, "2.weight": 32}
    assert count_nonzero_macs(net, 2) == 80


def test_macs_do_not_depend_on_the_number_of_images():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.once, self.head = nn.Parameter(torch.ones(1, 12)), nn.Linear(12, 12), nn.Linear(12, 2)

        def forward(self, images):
            return self.head(images.flatten(1) + self.once(self.token))

    macs = {"once.weight": 144, "head.weight": 24}
    assert layer_macs(Net(), torch.zeros(1, 3, 2, 2)) == layer_macs(Net(), torch.zeros(2, 3, 2, 2)) == macs
