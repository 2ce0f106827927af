from torch import nn

from compression.core.selection import prunable_weights


def test_only_weights_of_convolutions_and_linear_layers_are_prunable():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.Conv1d(4, 4, 1), nn.LayerNorm(4), nn.PReLU()),
        nn.Embedding(3, 4),
        nn.Linear(4, 2),
    )
    weights = prunable_weights(net)
    assert list(weights) == ["0.weight", "2.0.weight", "4.weight"]
    assert weights["4.weight"] is net[4].weight


def test_a_bare_layer():
    assert list(prunable_weights(nn.Linear(2, 2))) == ["weight"]


def test_nothing_to_prune():
    assert prunable_weights(nn.BatchNorm2d(2)) == {}


def test_a_shared_weight_is_named_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU())
    net[1].weight = net[0].weight
    assert list(prunable_weights(net)) == ["0.weight"]
    layer = nn.Linear(3, 3)
    assert list(prunable_weights(nn.Sequential(layer, nn.ReLU(), layer))) == ["0.weight"]


def test_names_are_those_of_the_state_dict():
    net = nn.Sequential(nn.Conv3d(1, 1, 1), nn.ModuleDict({"head": nn.Linear(1, 1)}))
    assert prunable_weights(net).keys() <= net.state_dict().keys()
