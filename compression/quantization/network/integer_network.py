"""Integer networks: their structure comes from a plan, their tensors from a prepared network or from a file."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.network import graph as ops
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.bias_grid import decode_bias, to_grid
from compression.quantization.network.fake_layers import (
    ActivationQuantizer,
    BiasRounding,
    FakeQuantWeight,
    fitting_scale,
)
from compression.quantization.network.fake_network import (
    QUANTIZERS,
    check_layers,
    feeding_quantizer,
    insert_after,
    insert_quantizers,
)
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.network.integer_layers import (
    DynamicLayer,
    IntegerLayer,
    IntegerQuantizer,
    Product,
    WeightOnlyLayer,
)
from compression.quantization.network.narrowing import Narrowing
from compression.quantization.network.scale_grid import nearest_powers
from compression.quantization.observers import MIN_SCALE
from compression.quantization.plan import Activation, Plan


def integer_network(graph: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Return the integer network of ``plan``: integer layers, batch norm folded, tensors uninitialized.

    ``graph`` is the traced network. Load the tensors from ``integer_state`` of the prepared network, or from a file.
    Raises ``InputError`` for a plan of another network.
    """
    network = copy.deepcopy(graph)
    fold_batch_norms_(network, values=False)
    for node in network.graph.nodes:
        if node.name in plan.unclamped:
            if node.op != "call_module" or ops.ceiling(network, node) is None:
                raise InputError(f"activation {node.name} is not a ReLU6, so it cannot have become a ReLU")
            network.set_submodule(str(node.target), nn.ReLU())
    names = check_layers(network, plan)
    insert_quantizers(network, plan, lambda one, _: IntegerQuantizer(one.grid, torch.empty(())))
    for node in list(network.graph.nodes):
        name = str(node.target)
        if node.op == "call_module" and name in names and plan.layers[name].weight != FULL_PRECISION:
            layer = network.get_submodule(name)
            if not isinstance(layer, IntegerLayer):
                signed = plan.dynamic and not ops.is_never_negative(network, node.all_input_nodes[0])
                layer = _empty_layer(layer, plan, name, signed=signed)
                network.set_submodule(name, layer)
            if type(layer) is IntegerLayer:
                _pass_scale(network, node)
    _round_after_moves(network)
    _drop_clamps(network)
    network.recompile()
    return network


@torch.no_grad()
def integer_state(prepared: fx.GraphModule, plan: Plan, narrowing: Narrowing | None = None) -> dict[str, Tensor]:
    """Return the state dict, on the CPU, of the integer network that computes what ``prepared`` simulates.

    Remaining batch norms are folded. A bias becomes int32, in units of input scale times weight scale. With
    ``narrowing``, scales and biases keep fewer significant bits, and weights are rounded to the grids of these scales.
    With ``plan.grid_vectors``, they are rounded to their grids instead.
    """
    narrowing = narrowing or Narrowing()
    folded = copy.deepcopy(prepared).cpu()
    _remove_bias_rounding(folded)
    fold_batch_norms_(folded)
    state = dict(folded.state_dict())
    for node in folded.graph.nodes:
        layer = ops.module_of(folded, node)
        if not isinstance(layer, FakeQuantWeight):
            continue
        source = feeding_quantizer(node) if plan.multiplies_integers(str(node.target)) else None
        unit = None
        if source is not None:
            quantizer = folded.get_submodule(source)
            assert isinstance(quantizer, ActivationQuantizer)
            unit = quantizer.rounding_scale()
        tensors = _to_integer_tensors(layer, unit, narrowing, on_grid=plan.grid_vectors)
        state |= {f"{node.target}.{key}": value for key, value in tensors.items()}
    for name, module in folded.named_modules():
        if isinstance(module, ActivationQuantizer):
            state[f"{name}.scale"] = module.rounding_scale()
    return {name: value.detach().clone().contiguous() for name, value in state.items()}


def check_integer_state(state: Mapping[str, Tensor], plan: Plan) -> None:
    """Raise ``InputError`` for integers outside the grids of ``plan``, and for scales not finite or not above 0."""
    for name, value in state.items():
        layer, _, role = name.rpartition(".")
        # The network itself may have parameters of this name, with any value.
        is_scale = layer in plan.layers if role in ("weight_scale", "bias_step") else name.startswith(f"{QUANTIZERS}.")
        if is_scale and not bool((torch.isfinite(value) & (value > 0)).all()):
            raise InputError(f"{name} has a scale that is not a finite number above 0")
        if role == "weight" and layer in plan.layers and value.dtype == torch.int8 and value.numel():
            grid = plan.weight_grid(layer)
            low, high = (int(one) for one in value.aminmax())
            if low < grid.low or high > grid.high:
                raise InputError(f"{name} has integers from {low} to {high}; allowed: {grid.low} to {grid.high}")


def _to_integer_tensors(
    layer: FakeQuantWeight, input_scale: Tensor | None, narrowing: Narrowing, *, on_grid: bool
) -> dict[str, Tensor]:
    scale, bias = layer.weight_scale.clamp(min=MIN_SCALE), getattr(layer, "bias", None)
    bias = torch.zeros_like(scale) if bias is None else bias
    dead = ~layer.weight.flatten(1).any(dim=1)
    if on_grid and not dead.all():
        # Every scale represents zeros, and one that other channels have takes the fewest bits.
        scale, dead = torch.where(dead, scale[~dead].min(), scale), torch.zeros_like(dead)
    if input_scale is not None:
        scale = fitting_scale(scale, bias, input_scale, dead=dead)
    wide = scale[:, None]
    integers = to_integers(layer.weight.flatten(1), wide, layer.weight_grid)
    # Weights that a repair has already rounded keep their integers. Others are rounded to the grid that is stored.
    rounded = bool(((integers * wide - layer.weight.flatten(1)).abs() <= 1e-3 * wide).all())
    scale = nearest_powers(scale, up=not rounded) if on_grid else narrowing.scale(scale, up=not rounded)
    if not rounded:
        integers = to_integers(layer.weight.flatten(1), scale[:, None], layer.weight_grid)
    tensors = {"weight": integers.to(torch.int8).reshape(layer.weight.shape), "weight_scale": scale}
    if on_grid:
        steps, size = to_grid(bias, layer.bias_step or 0.0)
        step = torch.tensor(size if input_scale is None else size / float(input_scale), dtype=torch.float32)
        bias = decode_bias(steps, step, None if input_scale is None else scale)
        return {**tensors, "bias": bias, "bias_step": step}
    if input_scale is not None:
        bias = torch.round(bias.double() / (input_scale * scale).double()).to(torch.int32)
    return {**tensors, "bias": narrowing.bias(bias)}


def _empty_layer(layer: nn.Module, plan: Plan, name: str, *, signed: bool) -> IntegerLayer:
    bits = plan.layers[name]
    assert isinstance(layer, ops.LAYERS)
    weight = layer.weight
    static = plan.multiplies_integers(name)
    dtype = torch.int32 if static else torch.float32
    integers = torch.empty_like(weight, dtype=torch.int8, requires_grad=False)
    scale = weight.detach().new_empty(len(weight))
    # Every layer gets a bias, because bias correction may have added one to a layer without a bias.
    tensors: dict[str, Any] = {
        "weight": integers,
        "weight_scale": scale,
        "bias": torch.empty(len(weight), dtype=dtype, device=weight.device),
        "bias_step": scale.new_empty(()) if plan.grid_vectors else None,
    }
    if static:
        return IntegerLayer(Product.of(layer), **tensors)
    if plan.dynamic and bits.activation != FULL_PRECISION:
        return DynamicLayer(Product.of(layer), grid=Activation(bits.activation, signed).grid, **tensors)
    return WeightOnlyLayer(Product.of(layer), **tensors)


def _pass_scale(graph: fx.GraphModule, node: fx.Node) -> None:
    """Pass the scale of the input to the layer at ``node``; raises ``InputError`` if the input is not rounded."""
    source = feeding_quantizer(node)
    if source is None:
        raise InputError(f"layer {node.target} has no quantized input, which its bits require")
    with graph.graph.inserting_before(node):
        scale = graph.graph.get_attr(f"{source}.scale")
    node.args = (*node.args, scale)


def _round_after_moves(graph: fx.GraphModule) -> None:
    """Round values again after they were moved. Nothing changes, but otherwise engines would move them as floats."""
    for node in list(graph.graph.nodes):
        moves = ops.is_move(graph, node) and not ops.is_identity(graph, node) and not ops.gives_parts(node)
        source = feeding_quantizer(node) if moves else None
        if source is None or ops.leads_to_output(graph, node):
            continue
        insert_after(node, source)


def _drop_clamps(graph: fx.GraphModule) -> None:
    """Remove each ReLU or ReLU6 before an unsigned grid, which clamps as well; engines do not detect this for ReLU6."""
    for node in list(graph.graph.nodes):
        quantizer = ops.module_of(graph, node)
        if not isinstance(quantizer, IntegerQuantizer) or quantizer.grid.signed:
            continue
        clamp = node.all_input_nodes[0]
        if ops.is_clamp(graph, clamp) and len(clamp.users) == 1:
            clamp.replace_all_uses_with(clamp.all_input_nodes[0])
            graph.graph.erase_node(clamp)
    graph.delete_all_unused_submodules()


def _remove_bias_rounding(prepared: fx.GraphModule) -> None:
    for node in list(prepared.graph.nodes):
        if isinstance(ops.module_of(prepared, node), BiasRounding):
            node.replace_all_uses_with(node.args[0])
            prepared.graph.erase_node(node)
    prepared.delete_all_unused_submodules()
    prepared.recompile()
