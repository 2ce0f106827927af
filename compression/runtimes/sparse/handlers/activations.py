"""Functions of single values."""

from torch import Tensor

from compression.runtimes.sparse.handlers.call import Call, Handler
from compression.runtimes.sparse.program import INFINITY, Function, Map, Unary


def limits(low: float = -INFINITY, high: float = INFINITY) -> Handler:
    """Return the handler that limits values to [low, high]."""

    def handle(call: Call) -> Map:
        source = call.source
        return call.add(Unary(source=source, target=Map(*source.shape), function="relu", low=low, high=high))

    return handle


def clamp(call: Call) -> Map:
    """Limits given as numbers."""
    low, high = call.given("min"), call.given("max")
    if isinstance(low, (Map, Tensor)) or isinstance(high, (Map, Tensor)):
        raise call.refuse("by tensors")
    return limits(-INFINITY if low is None else float(low), INFINITY if high is None else float(high))(call)


def hardtanh(call: Call) -> Map:
    """Limits of hardtanh."""
    return limits(float(call.given("min_val", -1.0)), float(call.given("max_val", 1.0)))(call)


def function(function: Function) -> Handler:
    """Return the handler of a function of each value."""

    def handle(call: Call) -> Map:
        slope = float(call.given("negative_slope", 0.01)) if function == "leaky_relu" else 0.0
        return call.add(Unary(source=call.source, target=Map(*call.source.shape), function=function, slope=slope))

    return handle
