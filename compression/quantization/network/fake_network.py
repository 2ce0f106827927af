"""Prepared networks: float networks that simulate integer rounding, for calibration and training."""

import copy
from collections.abc import Callable, Mapping

from torch import fx, nn

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.network import graph as ops
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.fake_layers import (
    ActivationQuantizer,
    BiasRounding,
    FakeQuantWeight,
    to_fake_quantized,
)
from compression.quantization.network.placement import find_places
from compression.quantization.plan import Activation, Bits, Plan

QUANTIZERS, BIASES = "quantizers", "bias_rounding"
_SUFFIX, _EMPTY = "_quantizer", nn.ModuleDict()


def quantizable_layers(model: nn.Module) -> list[str]:
    """Return the names of the layers of ``model`` that can be quantized, in the order of execution.

    Layers that run several times, share their weight or read no activation are left out. Raises ``InputError`` for a
    model that cannot be traced.
    """
    traced = trace(model)
    shared = ops.shared_layers(traced)
    layers = [node for node in traced.graph.nodes if ops.is_layer(traced, node)]
    return [
        str(node.target) for node in layers if str(node.target) not in shared and not ops.reads_constant(traced, node)
    ]


def make_plan(
    model: nn.Module,
    layers: Mapping[str, Bits],
    *,
    activation_bits: int,
    dynamic: bool = False,
) -> Plan:
    """Return the plan for quantizing ``layers``; with static scales, it also says which activations are rounded.

    An activation gets the largest number of bits below 32 among the layers that read it, and these layers get its bits.
    It stays in float if all of them want 32, unless a sum or an average reads it too; then they compute in float, with
    rounded values. An activation that no layer reads, such as a term of a sum, gets ``activation_bits``, and stays in
    float with 32. ``dynamic``: scales of activations are found at run time, where the weights are integers.
    """
    if dynamic:
        floats = Bits(FULL_PRECISION, FULL_PRECISION)
        return Plan({name: floats if FULL_PRECISION in bits else bits for name, bits in layers.items()}, dynamic=True)
    traced = trace(model)
    fold_batch_norms_(traced, values=False)
    static = [name for name, bits in layers.items() if bits.activation != FULL_PRECISION]
    activations, found = {}, dict(layers)
    for place in find_places(traced, static, readers=layers) if static else ():
        in_integers = [reader for reader in place.readers if reader in static]
        if place.readers and not in_integers and not place.merged:
            continue
        bits = max((layers[reader].activation for reader in in_integers), default=activation_bits)
        if bits != FULL_PRECISION:
            activations[place.node.name] = Activation(bits, place.signed)
            found |= {reader: Bits(layers[reader].weight, bits) for reader in in_integers}
    return Plan(found, activations)


def prepare(graph: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Return a copy of a traced network that rounds the weights and activations of ``plan``.

    All other modules, and the names of all parameters, stay the same. Scales are 1 until they are observed. Raises
    ``InputError`` for a plan with layers or activations that ``graph`` does not have.
    """
    prepared = copy.deepcopy(graph)
    for name in check_layers(prepared, plan):
        if plan.layers[name].weight != FULL_PRECISION:
            layer = to_fake_quantized(prepared.get_submodule(name), plan.weight_grid(name))
            prepared.set_submodule(name, layer)

    def make(activation: Activation, node: fx.Node) -> ActivationQuantizer:
        ceiling = None if node.name in plan.unclamped else ops.ceiling(prepared, node)
        return ActivationQuantizer(activation.grid, name=_describe(node), ceiling=ceiling)

    insert_quantizers(prepared, plan, make)
    _round_biases(prepared, plan)
    prepared.recompile()
    return prepared


def quantizers(network: nn.Module) -> dict[str, ActivationQuantizer]:
    """Return the activation quantizers of a prepared network, by the name of the node that each one follows."""
    found = {
        name.removeprefix(f"{QUANTIZERS}."): module
        for name, module in network.named_modules()
        if isinstance(module, ActivationQuantizer)
    }
    plain = {_free_name(name.removesuffix(_SUFFIX)): name.removesuffix(_SUFFIX) for name in found}
    return {plain.get(name, name): module for name, module in found.items()}


def fake_layers(network: nn.Module) -> dict[str, FakeQuantWeight]:
    """Return the layers of a prepared network that round their weights, by their names."""
    return {name: module for name, module in network.named_modules() if isinstance(module, FakeQuantWeight)}


def learn_steps_(network: nn.Module) -> None:
    """Make the scales of weights and activations trainable (LSQ, arXiv:1902.08153)."""
    for layer in fake_layers(network).values():
        layer.learns_step = True
        layer.weight_scale.requires_grad_(True)
    for quantizer in quantizers(network).values():
        quantizer.learns_step = True
        quantizer.scale.requires_grad_(True)


def feeding_quantizer(node: fx.Node) -> str | None:
    """Return the name of the quantizer that rounded the input of ``node``; None if the input is not on a grid."""
    source = node.all_input_nodes[0]
    while source.op != "placeholder":
        if source.op == "call_module" and str(source.target).startswith(f"{QUANTIZERS}."):
            return str(source.target)
        if not ops.is_move(source.graph.owning_module, source):  # type: ignore[arg-type]
            return None
        source = source.all_input_nodes[0]
    return None


def check_layers(graph: fx.GraphModule, plan: Plan) -> list[str]:
    """Return the names of the layers in ``plan``; raises ``InputError`` for a layer that ``graph`` does not have."""
    found = {str(node.target) for node in graph.graph.nodes if ops.is_layer(graph, node)}
    unknown = [name for name in plan.layers if name not in found]
    if unknown:
        raise InputError(f"layer {unknown[0]} cannot be quantized; allowed: {', '.join(sorted(found))}")
    return list(plan.layers)


def insert_quantizers(graph: fx.GraphModule, plan: Plan, make: Callable[[Activation, fx.Node], nn.Module]) -> None:
    """Insert a quantizer after each activation of ``plan``; ``make`` creates it from the activation and its node.

    Raises ``InputError`` for an activation that ``graph`` does not have.
    """
    nodes = {node.name: node for node in graph.graph.nodes}
    unknown = [name for name in plan.activations if name not in nodes]
    if unknown:
        raise InputError(f"there is no activation {unknown[0]} to quantize in {type(graph).__name__}")
    if plan.activations:
        graph.add_module(QUANTIZERS, nn.ModuleDict())
    norms = ops.foldable_norms(graph)
    # Quantizers are added in the order of execution, not in that of the plan, so that equal networks give equal files.
    for name in [name for name in nodes if name in plan.activations]:
        node, activation = nodes[name], plan.activations[name]
        # The plan describes the network with batch norm folded; here batch norm may still be separate.
        node = norms.get(node, node)
        target = f"{QUANTIZERS}.{_free_name(name)}"
        graph.add_submodule(target, make(activation, node))
        insert_after(node, target)


def insert_after(node: fx.Node, target: str) -> fx.Node:
    """Insert a call of the module ``target`` after ``node``, let all users of ``node`` read it, and return the call."""
    with node.graph.inserting_after(node):
        call = node.graph.call_module(target, (node,))
    node.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)
    return call


def _round_biases(prepared: fx.GraphModule, plan: Plan) -> None:
    """Simulate integer biases in all layers that multiply integers."""
    norms = ops.foldable_norms(prepared)
    for node in list(prepared.graph.nodes):
        layer = ops.module_of(prepared, node)
        if not isinstance(layer, FakeQuantWeight) or not plan.multiplies_integers(str(node.target)):
            continue
        source = feeding_quantizer(node)
        if source is None:
            continue
        norm = norms.get(node)
        quantizer = prepared.get_submodule(source)
        assert isinstance(quantizer, ActivationQuantizer)
        end = norm or node
        target = f"{BIASES}.{_free_name(node.name)}"
        prepared.add_submodule(
            target, BiasRounding(layer, None if norm is None else ops.module_of(prepared, norm), quantizer)
        )
        insert_after(end, target)


def _free_name(name: str) -> str:
    """Return ``name``, or a name made from it where every module has an attribute ``name``, such as ``double``."""
    return f"{name}{_SUFFIX}" if hasattr(_EMPTY, name) else name


def _describe(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else node.name
