"""Augmented assignments of traced tensors: ``y += x`` overwrites ``y``, so all of its names have the new values."""

import operator
from collections.abc import Callable
from typing import Any

from torch import fx

# Operators that overwrite their first argument, and those that compute the same as a new value.
IN_PLACE_OPERATORS: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ifloordiv: operator.floordiv,
    operator.imod: operator.mod,
    operator.ipow: operator.pow,
    operator.iand: operator.and_,
    operator.ior: operator.or_,
    operator.ixor: operator.xor,
}


class AssigningProxy(fx.Proxy):
    """A traced value that records an augmented assignment as one.

    For ``y += x``, Python calls ``y = y + x`` on a proxy of torch.fx, so another name of it would keep its old value.
    """

    def __setitem__(self, place: Any, value: Any) -> None:
        """Raise ``TypeError``, because a graph has no operation for it."""
        raise TypeError("it assigns to a part of a tensor, as in y[:, 0] = 0; use torch.where or torch.cat")


def _record(in_place: Callable[..., Any]) -> Callable[[fx.Proxy, Any], fx.Proxy]:
    name = IN_PLACE_OPERATORS[in_place].__name__

    def assign(self: fx.Proxy, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", in_place, (self, other), {}, name=name)

    return assign


for _operator in IN_PLACE_OPERATORS:
    setattr(AssigningProxy, f"__{_operator.__name__}__", _record(_operator))


def is_number(node: fx.Node) -> bool:
    """Return whether ``node`` is a size, or computed from sizes alone: numbers cannot be overwritten."""
    if node.op == "call_method" and node.target in ("size", "dim", "numel", "item", "stride"):
        return True
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] in ("shape", "ndim")
    return bool(node.all_input_nodes) and all(is_number(one) for one in node.all_input_nodes)
