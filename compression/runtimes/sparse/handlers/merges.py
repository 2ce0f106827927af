"""Sums and products."""

from typing import Any

import torch

from compression.runtimes.sparse.handlers.call import Call, Handler
from compression.runtimes.sparse.program import Binary, Map


def merge(function: Any) -> Handler:
    """Return the handler of a sum or product of two maps, or of a map and a constant."""

    def handle(call: Call) -> Map:
        left, right = call.given("input"), call.given("other")
        if call.given("alpha", 1) != 1:
            raise call.refuse("with alpha")
        if not isinstance(left, Map):
            left, right = right, left
        if not isinstance(left, Map):
            raise call.refuse("of constants")
        if isinstance(right, Map):
            return _merge_maps(call, function, left, right)
        return _merge_constant(call, function, left, right)

    return handle


def _merge_maps(call: Call, function: Any, left: Map, right: Map) -> Map:
    if left.positions < right.positions:
        left, right = right, left
    same = left.shape == right.shape
    if not same and (right.positions > 1 or left.channels != right.channels):
        raise call.refuse(f"of shapes {list(left.shape)} and {list(right.shape)}")
    return call.add(Binary(source=left, target=Map(*left.shape), function=function, other=right))


def _merge_constant(call: Call, function: Any, source: Map, constant: Any) -> Map:
    values = torch.as_tensor(constant).detach().double()
    ones, zeros = torch.ones(source.channels).double(), torch.zeros(source.channels).double()
    if values.numel() not in (1, source.channels) or (values.numel() > 1 and values.shape[-2:] != (1, 1)):
        raise call.refuse(f"by a constant of shape {list(values.shape)}")
    values = values.reshape(-1) * ones
    return call.scale(source, ones, values) if function == "add" else call.scale(source, values, zeros)


def subtract(call: Call) -> Map:
    """A difference of two maps, or of a map and a constant: the sum with what is subtracted times -1."""
    left, right = call.given("input"), call.given("other")
    if call.given("alpha", 1) != 1:
        raise call.refuse("with alpha")
    if not isinstance(right, Map):
        if not isinstance(left, Map):
            raise call.refuse("of constants")
        return _merge_constant(call, "add", left, -torch.as_tensor(right))
    negative = _merge_constant(call, "multiply", right, -1.0)
    if isinstance(left, Map):
        return _merge_maps(call, "add", left, negative)
    return _merge_constant(call, "add", negative, left)


def divide(call: Call) -> Map:
    """A map divided by a number."""
    left, right = call.given("input"), call.given("other")
    if not isinstance(left, Map) or not isinstance(right, (int, float)):
        raise call.refuse("by a tensor")
    return _merge_constant(call, "multiply", left, 1.0 / right)
