"""The names of what a traced network calls."""

import operator

from torch import fx


def call_name(node: fx.Node) -> str:
    """Return the name of the method or function that ``node`` calls, or of the attribute that it reads.

    It is empty for a node that does neither, such as a layer.
    """
    if node.op == "call_method":
        return str(node.target)
    if node.op != "call_function":
        return ""
    if node.target is getattr:
        return str(node.args[1])
    if node.target is operator.getitem:
        return "getitem"
    return getattr(node.target, "__name__", "")
