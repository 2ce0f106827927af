"""Operations merged into the convolution before them: scales of batch norm, limits of ReLU, sums of residuals.

Rounding is merged into what computes the values that are rounded, and the scaling of integer sums into the convolution
that computes them.
"""

from dataclasses import replace

import numpy as np

from compression.runtimes.sparse.program import Binary, Convolution, Map, Operation, Program, Rescale, Unary


def fuse_(program: Program) -> None:
    """Merge operations of ``program`` until nothing more fits. The function of the network stays the same."""
    while any(_merge_(program, operation) for operation in program.operations):
        pass


def _merge_(program: Program, operation: Operation) -> bool:
    if _is_scale(operation):
        return _merge_scale_(program, operation)
    if isinstance(operation, Unary) and operation.function == "relu":
        return _merge_limits_(program, operation)
    if isinstance(operation, Unary) and operation.function == "round":
        return _merge_rounding_(program, operation)
    if isinstance(operation, Rescale):
        return _merge_units_(program, operation)
    if isinstance(operation, Binary) and operation.function == "add":
        same = operation.other.shape == operation.source.shape
        return same and _merge_sum_(program, operation)
    return False


def _is_scale(operation: Operation) -> bool:
    """Return whether ``operation`` multiplies each channel by one number and adds another, as batch norm does."""
    return (
        isinstance(operation, Convolution)
        and operation.groups == operation.source.channels == operation.target.channels
        and operation.window.kernel == operation.window.stride == (1, 1)
        and operation.window.padding == (0, 0)
        # Zeros after the pixels make the target larger, without padding before them.
        and operation.source.shape == operation.target.shape
        and operation.added is None
        and operation.units is None
    )


def _merge_scale_(program: Program, scale: Operation) -> bool:
    before = _sole_producer(program, scale.source)
    if not isinstance(before, Convolution) or not _is_plain(before):
        return False
    assert isinstance(scale, Convolution)
    factor = scale.weight[:, 0, 0, 0]
    merged = replace(
        before,
        target=scale.target,
        weight=before.weight * factor[:, None, None, None],
        bias=before.bias * factor + scale.bias,
        low=scale.low,
        high=scale.high,
        step=scale.step,
    )
    _replace_(program, before, scale, merged)
    return True


def _merge_limits_(program: Program, relu: Unary) -> bool:
    before = _sole_producer(program, relu.source)
    if not isinstance(before, (Convolution, Binary, Rescale)) or before.step:
        return False
    low, high = max(before.low, relu.low), min(before.high, relu.high)
    if low > high:
        return False
    _replace_(program, before, relu, replace(before, target=relu.target, low=low, high=high))
    return True


def _merge_rounding_(program: Program, rounding: Unary) -> bool:
    before = _sole_producer(program, rounding.source)
    if not isinstance(before, (Convolution, Binary, Rescale)) or before.step:
        return False
    # A product with a positive number keeps the order of floats, so limits before it are limits of the products.
    step = np.float32(rounding.slope)
    low = max(float(np.float32(before.low) * step), rounding.low)
    high = min(float(np.float32(before.high) * step), rounding.high)
    if low > high:
        return False
    merged = replace(before, target=rounding.target, step=rounding.slope, low=low, high=high)
    _replace_(program, before, rounding, merged)
    return True


def _merge_units_(program: Program, rescale: Rescale) -> bool:
    before = _sole_producer(program, rescale.source)
    if not isinstance(before, Convolution) or rescale.bias is not None or not _is_plain(before):
        return False
    merged = replace(
        before, target=rescale.target, units=rescale.units, low=rescale.low, high=rescale.high, step=rescale.step
    )
    _replace_(program, before, rescale, merged)
    return True


def _merge_sum_(program: Program, addition: Binary) -> bool:
    """Add the residual in the later of the two layers that compute the terms, when the other term is already there."""
    produced = {id(op.target): index for index, op in enumerate(program.operations)}
    terms = sorted(addition.sources, key=lambda value: produced.get(id(value), -1))
    earlier, later = terms
    before = _sole_producer(program, later)
    if earlier is later or not isinstance(before, Convolution) or not _is_plain(before):
        return False
    merged = replace(
        before, target=addition.target, added=earlier, low=addition.low, high=addition.high, step=addition.step
    )
    _replace_(program, before, addition, merged)
    return True


def _is_plain(convolution: Convolution) -> bool:
    """Return whether the results of ``convolution`` are its sums, with nothing done to them."""
    nothing = convolution.added is None and convolution.units is None
    return nothing and not convolution.is_limited and not convolution.step


def _sole_producer(program: Program, value: Map) -> Operation | None:
    """Return the only operation that writes ``value``; None if several write it or it is also read elsewhere."""
    writers = [op for op in program.operations if op.target is value]
    alone = len(program.readers(value)) == 1 and value is not program.logits
    return writers[0] if len(writers) == 1 and alone else None


def _replace_(program: Program, before: Operation, after: Operation, merged: Operation) -> None:
    index = program.operations.index(before)
    program.operations[index] = merged
    program.operations.remove(after)
