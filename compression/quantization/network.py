"""From a float network to one that imitates integers, and from that to one that holds them."""

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError
from compression.quantization import graph as ops
from compression.quantization.fake_layers import (
    ActivationQuantizer,
    BiasRounding,
    FakeQuantWeight,
    fitting_scale,
    rounded_bias,
    to_fake_quantized,
)
from compression.quantization.fake_quantize import to_integers
from compression.quantization.fold import fold_batch_norms_
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.integer_layers import (
    DynamicLayer,
    IntegerLayer,
    IntegerQuantizer,
    Product,
    WeightOnlyLayer,
)
from compression.quantization.observers import MIN_SCALE
from compression.quantization.placement import find_places
from compression.quantization.plan import Activation, Bits, Plan

QUANTIZERS, BIASES = "quantizers", "bias_rounding"


def quantizable_layers(model: nn.Module) -> list[str]:
    """Return the names of the layers of ``model`` that can be quantized, in the order of execution."""
    traced = ops.trace(model)
    return list(dict.fromkeys(str(node.target) for node in traced.graph.nodes if ops.is_layer(traced, node)))


def make_plan(
    model: nn.Module,
    layers: Mapping[str, Bits],
    *,
    activation_bits: int,
    dynamic: bool = False,
    unclamped: Iterable[str] = (),
) -> Plan:
    """Return the plan of quantizing ``layers``: with static scales also where activations are rounded.

    An activation has the most bits that a layer reading it asks for; one that no layer reads (the terms of a sum, what
    is averaged) has ``activation_bits``.
    """
    traced = ops.trace(model)
    fold_batch_norms_(traced, values=False)
    static = {} if dynamic else {name: bits for name, bits in layers.items() if bits.activation != FULL_PRECISION}
    activations = {}
    for place in find_places(traced, static) if static else ():
        wanted = [layers[reader].activation for reader in place.readers]
        activations[place.node.name] = Activation(max(wanted, default=activation_bits), place.signed)
    return Plan(dict(layers), activations, dynamic=dynamic, unclamped=tuple(unclamped))


def prepare(graph: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Return a copy of a traced network whose layers of ``plan`` round their weights; activations get quantizers.

    Its other modules and the names of its parameters are those of ``graph``. Scales are 1 until they are observed.
    """
    prepared = copy.deepcopy(graph)
    for name in _layer_names(prepared, plan):
        if plan.layers[name].weight != FULL_PRECISION:
            layer = to_fake_quantized(prepared.get_submodule(name), plan.weight_grid(name))
            prepared.set_submodule(name, layer)

    def make(activation: Activation, node: fx.Node) -> ActivationQuantizer:
        ceiling = None if node.name in plan.unclamped else ops.ceiling(prepared, node)
        return ActivationQuantizer(activation.grid, name=_describe(node), ceiling=ceiling)

    _insert_quantizers(prepared, plan, make)
    _round_biases(prepared)
    prepared.recompile()
    return prepared


def integer_network(graph: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Return a traced network with the layers of ``plan`` as layers of integers, batch norm folded, tensors empty.

    What it computes is in the state dict it wants: ``integer_state`` of the prepared network, or a file. Raises
    ``InputError`` for a plan of another network.
    """
    network = copy.deepcopy(graph)
    fold_batch_norms_(network, values=False)
    for node in network.graph.nodes:
        if node.name in plan.unclamped:
            network.set_submodule(str(node.target), nn.ReLU())
    names = _layer_names(network, plan)
    _insert_quantizers(network, plan, lambda one, _: IntegerQuantizer(one.grid, torch.empty(())))
    for node in list(network.graph.nodes):
        name = str(node.target)
        if node.op == "call_module" and name in names and plan.layers[name].weight != FULL_PRECISION:
            layer = network.get_submodule(name)
            if not isinstance(layer, IntegerLayer):
                signed = plan.dynamic and not ops.is_never_negative(network, node.all_input_nodes[0])
                layer = _empty_layer(layer, plan, name, signed=signed)
                network.set_submodule(name, layer)
            if type(layer) is IntegerLayer:
                _tell_scale(network, node)
    _round_after_moves(network)
    _drop_clamps(network)
    network.recompile()
    return network


@torch.no_grad()
def integer_state(prepared: fx.GraphModule, plan: Plan) -> dict[str, Tensor]:
    """Return the state dict of the integer network that computes what ``prepared`` imitates, on the CPU.

    Batch norm that is left is folded. A bias is rounded to the product of the scales, int32.
    """
    folded = copy.deepcopy(prepared).cpu()
    _remove_bias_rounding(folded)
    fold_batch_norms_(folded)
    state = dict(folded.state_dict())
    for node in folded.graph.nodes:
        layer = ops.module_of(folded, node)
        if not isinstance(layer, FakeQuantWeight):
            continue
        source = feeding_quantizer(node)
        unit = None
        if source is not None and not plan.dynamic:
            quantizer = folded.get_submodule(source)
            assert isinstance(quantizer, ActivationQuantizer)
            unit = quantizer.rounding_scale()
        state |= {f"{node.target}.{key}": value for key, value in _to_integer_tensors(layer, unit).items()}
    for name, module in folded.named_modules():
        if isinstance(module, ActivationQuantizer):
            state[f"{name}.scale"] = module.rounding_scale()
    return {name: value.detach().clone().contiguous() for name, value in state.items()}


def feeding_quantizer(node: fx.Node) -> str | None:
    """Return the name of the quantizer whose grid the input of ``node`` is on; None where it is on none."""
    source = node.all_input_nodes[0]
    while source.op != "placeholder":
        if source.op == "call_module" and str(source.target).startswith(f"{QUANTIZERS}."):
            return str(source.target)
        if not ops.is_move(source.graph.owning_module, source):  # type: ignore[arg-type]
            return None
        source = source.all_input_nodes[0]
    return None


def quantizers(network: nn.Module) -> dict[str, ActivationQuantizer]:
    """Return the quantizers of activations of a prepared network, by the node that each follows."""
    return {
        name.removeprefix(f"{QUANTIZERS}."): module
        for name, module in network.named_modules()
        if isinstance(module, ActivationQuantizer)
    }


def fake_layers(network: nn.Module) -> dict[str, FakeQuantWeight]:
    """Return the layers of a prepared network that round their weights, by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, FakeQuantWeight)}


def _to_integer_tensors(layer: FakeQuantWeight, input_scale: Tensor | None) -> dict[str, Tensor]:
    scale, bias = layer.weight_scale.clamp(min=MIN_SCALE), getattr(layer, "bias", None)
    if bias is None or input_scale is None:
        tensors = {} if bias is None else {"bias": bias}
    else:
        scale = fitting_scale(scale, bias, input_scale, dead=~layer.weight.flatten(1).any(dim=1))
        tensors = {"bias": rounded_bias(layer, None, input_scale).steps.to(torch.int32)}
    rows = scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    return {
        "weight": to_integers(layer.weight, rows, layer.weight_grid).to(torch.int8),
        "weight_scale": scale,
        **tensors,
    }


def _empty_layer(layer: nn.Module, plan: Plan, name: str, *, signed: bool) -> IntegerLayer:
    bits = plan.layers[name]
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    static = not plan.dynamic and bits.activation != FULL_PRECISION
    tensors = {
        "weight": torch.empty_like(weight, dtype=torch.int8, requires_grad=False),
        "weight_scale": weight.new_empty(weight.shape[0]),
        "bias": None
        if bias is None
        else torch.empty_like(bias, dtype=torch.int32 if static else torch.float32, requires_grad=False),  # type: ignore[call-overload]
    }
    if static:
        return IntegerLayer(Product.of(layer), **tensors)
    if plan.dynamic and bits.activation != FULL_PRECISION:
        grid = Activation(bits.activation, signed).grid
        return DynamicLayer(Product.of(layer), grid=grid, **tensors)
    return WeightOnlyLayer(Product.of(layer), **tensors)


def _layer_names(graph: fx.GraphModule, plan: Plan) -> list[str]:
    found = {str(node.target) for node in graph.graph.nodes if ops.is_layer(graph, node)}
    unknown = [name for name in plan.layers if name not in found]
    if unknown:
        raise InputError(f"layer {unknown[0]} cannot be quantized; allowed: {', '.join(sorted(found))}")
    return list(plan.layers)


def _insert_quantizers(graph: fx.GraphModule, plan: Plan, make: Callable[[Activation, fx.Node], nn.Module]) -> None:
    nodes = {node.name: node for node in graph.graph.nodes}
    if plan.activations:
        graph.add_module(QUANTIZERS, nn.ModuleDict())
    for name, activation in plan.activations.items():
        if name not in nodes:
            raise InputError(f"there is no activation {name} to quantize in {type(graph).__name__}")
        node = nodes[name]
        # A plan is of the network without batch norm; here it may not be folded yet.
        node = ops.sole_user(node, partial(ops.is_batch_norm, graph)) or node
        target = f"{QUANTIZERS}.{name}"
        graph.add_submodule(target, make(activation, node))
        with graph.graph.inserting_after(node):
            call = graph.graph.call_module(target, (node,))
        node.replace_all_uses_with(call, delete_user_cb=partial(_is_other, call))


def _round_biases(prepared: fx.GraphModule) -> None:
    """Let the layers between integers feel that their biases are integers as well."""
    for node in list(prepared.graph.nodes):
        layer = ops.module_of(prepared, node)
        source = feeding_quantizer(node) if isinstance(layer, FakeQuantWeight) else None
        if source is None or not isinstance(layer, FakeQuantWeight):
            continue
        norm = ops.sole_user(node, partial(ops.is_batch_norm, prepared))
        if norm is None and layer.bias is None:
            continue
        quantizer = prepared.get_submodule(source)
        assert isinstance(quantizer, ActivationQuantizer)
        end = norm or node
        target = f"{BIASES}.{node.name}"
        prepared.add_submodule(target, BiasRounding(layer, norm and ops.module_of(prepared, norm), quantizer))
        with prepared.graph.inserting_after(end):
            call = prepared.graph.call_module(target, (end,))
        end.replace_all_uses_with(call, delete_user_cb=partial(_is_other, call))


def _remove_bias_rounding(prepared: fx.GraphModule) -> None:
    for node in list(prepared.graph.nodes):
        if isinstance(ops.module_of(prepared, node), BiasRounding):
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            prepared.graph.erase_node(node)
    prepared.delete_all_unused_submodules()
    prepared.recompile()


def _is_other(call: fx.Node, user: fx.Node) -> bool:
    return user is not call


def _tell_scale(graph: fx.GraphModule, node: fx.Node) -> None:
    """Hand the scale of the grid before a layer to the layer."""
    source = feeding_quantizer(node)
    if source is None:
        raise InputError(f"layer {node.target} has no quantized input, which its bits ask for")
    with graph.graph.inserting_before(node):
        scale = graph.graph.get_attr(f"{source}.scale")
    node.args = (*node.args, scale)


def _round_biases(prepared: fx.GraphModule) -> None:
    """Let the layers between integers feel that their biases are integers as well."""
    for node in list(prepared.graph.nodes):
        layer = ops.module_of(prepared, node)
        source = feeding_quantizer(node) if isinstance(layer, FakeQuantWeight) else None
        if source is None or not isinstance(layer, FakeQuantWeight):
            continue
        norm = ops.sole_user(node, partial(ops.is_batch_norm, prepared))
        if norm is None and layer.bias is None:
            continue
        quantizer = prepared.get_submodule(source)
        assert isinstance(quantizer, ActivationQuantizer)
        end = norm or node
        target = f"{BIASES}.{node.name}"
        prepared.add_submodule(target, BiasRounding(layer, norm and ops.module_of(prepared, norm), quantizer))
        with prepared.graph.inserting_after(end):
            call = prepared.graph.call_module(target, (end,))
        end.replace_all_uses_with(call, delete_user_cb=partial(_is_other, call))


def _remove_bias_rounding(prepared: fx.GraphModule) -> None:
    for node in list(prepared.graph.nodes):
        if isinstance(ops.module_of(prepared, node), BiasRounding):
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            prepared.graph.erase_node(node)
    prepared.delete_all_unused_submodules()
    prepared.recompile()


def _is_other(call: fx.Node, user: fx.Node) -> bool:
    return user is not call


def _tell_scale(graph: fx.GraphModule, node: fx.Node) -> None:
    """Hand the scale of the grid before a layer to the layer."""
    source = feeding_quantizer(node)
    if source is None:
        raise InputError(f"layer {node.target} has no quantized input, which its bits ask for")
    with graph.graph.inserting_before(node):
        scale = graph.graph.get_attr(f"{source}.scale")
    node.args = (*node.args, scale)


def _round_after_moves(graph: fx.GraphModule) -> None:
    """Put values that were moved on their grid once more: no change, but without it engines move them as floats."""
    for node in list(graph.graph.nodes):
        source = feeding_quantizer(node) if ops.is_move(graph, node) else None
        if source is None or ops.leads_to_output(graph, node):
            continue
        with graph.graph.inserting_after(node):
            call = graph.graph.call_module(source, (node,))
        node.replace_all_uses_with(call, delete_user_cb=partial(_is_other, call))


def _drop_clamps(graph: fx.GraphModule) -> None:
    """Remove what the grid behind it clamps as well: engines cannot see that a ReLU6 is one of them."""
    for node in list(graph.graph.nodes):
        quantizer = ops.module_of(graph, node)
        if not isinstance(quantizer, IntegerQuantizer) or quantizer.grid.signed:
            continue
        clamp = node.all_input_nodes[0]
        if ops.is_clamp(graph, clamp) and len(clamp.users) == 1:
            clamp.replace_all_uses_with(clamp.all_input_nodes[0])
            graph.graph.erase_node(clamp)
    graph.delete_all_unused_submodules()


def _describe(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else node.name
