from integer_nets import plan_of
from torch import nn

from compression.core.tracing import trace
from compression.quantization.network.placement import find_places
from compression.quantization.plan import Activation, Bits


def test_places(model):
    plan = plan_of(model)
    assert plan.layers == dict.fromkeys(["stem.0", "depthwise", "head"], Bits(8, 8))
    # The image, what the stem gives, the two terms' sum behind its ReLU, the average; the logits are left.
    assert plan.activations == {
        "images": Activation(8, signed=True),
        "stem_2": Activation(8, signed=False),
        "depthwise": Activation(8, signed=True),
        "relu": Activation(8, signed=False),
        "adaptive_avg_pool2d": Activation(8, signed=False),
    }


def test_readers_are_found_behind_moves(model):
    graph = trace(model)
    places = {place.node.name: place.readers for place in find_places(graph, ["stem.0", "depthwise", "head"])}
    # Behind max pooling, dropout and flattening; a sum is no layer.
    assert places["images"] == ("stem.0",)
    assert places["stem_2"] == ("depthwise",)
    assert places["adaptive_avg_pool2d"] == ("head",)
    assert places["relu"] == ()


def test_a_layer_that_stays_in_float_needs_no_grid():
    graph = trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)))
    places = [(place.node.name, place.signed) for place in find_places(graph, ["0"])]
    assert places == [("input_1", True), ("_1", False)]
    # An engine cannot merge a sigmoid into rounding, so there is a quantizer on both sides of it.
    places = [(place.node.name, place.signed) for place in find_places(graph, ["2", "4"])]
    assert places == [("_1", False), ("_2", True), ("_3", False)]
