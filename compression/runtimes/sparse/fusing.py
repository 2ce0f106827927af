"""Operations merged into the convolution before them: scales of batch norm, limits of ReLU, sums of residuals.

Rounding is merged into the scaling of integer sums before it.
"""

from dataclasses import replace

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
        and operation.added is None
    )


def _merge_scale_(program: Program, scale: Operation) -> bool:
    before = _sole_producer(program, scale.source)
    if not isinstance(before, Convolution) or before.is_limited or before.added is not None:
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
    )
    _replace_(program, before, scale, merged)
    return True


def _merge_limits_(program: Program, relu: Unary) -> bool:
    before = _sole_producer(program, relu.source)
    if not isinstance(before, (Convolution, Binary, Rescale)) or (isinstance(before, Rescale) and before.step):
        return False
    low, high = max(before.low, relu.low), min(before.high, relu.high)
    if low > high:
        return False
    _replace_(program, before, relu, replace(before, target=relu.target, low=low, high=high))
    return True


def _merge_rounding_(program: Program, rounding: Unary) -> bool:
    before = _sole_producer(program, rounding.source)
    if not isinstance(before, Rescale) or before.step or before.is_limited:
        return False
    merged = replace(before, target=rounding.target, step=rounding.slope, low=rounding.low, high=rounding.high)
    _replace_(program, before, rounding, merged)
    return True


def _merge_sum_(program: Program, addition: Binary) -> bool:
    """Add the residual in the later of the two layers that compute the terms, when the other term is already there."""
    produced = {id(op.target): index for index, op in enumerate(program.operations)}
    terms = sorted(addition.sources, key=lambda value: produced.get(id(value), -1))
    earlier, later = terms
    before = _sole_producer(program, later)
    if earlier is later or not isinstance(before, Convolution) or before.is_limited or before.added is not None:
        return False
    merged = replace(before, target=addition.target, added=earlier, low=addition.low, high=addition.high)
    _replace_(program, before, addition, merged)
    return True


def _sole_producer(program: Program, value: Map) -> Operation | None:
    """Return the only operation that writes ``value``; None if several write it or it is also read elsewhere."""
    writers = [op for op in program.operations if op.target is value]
    alone = len(program.readers(value)) == 1 and value is not program.logits
    return writers[0] if len(writers) == 1 and alone else None


def _replace_(program: Program, before: Operation, after: Operation, merged: Operation) -> None:
    index = program.operations.index(before)
    program.operations[index] = merged
    program.operations.remove(after)
