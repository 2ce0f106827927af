"""An entropy coder for symbols of known probabilities: asymmetric numeral systems (ANS) from ``constriction``.

The bytes are the words of ``constriction.stream.stack.AnsCoder`` (32 bits, little endian) without the zero bytes at the
end. The coder may start from a tail: other bytes, which are read after the last symbol. The tail fills the state of the
coder, which would otherwise cost up to three bytes. Probabilities are ``Categorical(weights, perfect=False)`` with
float64 weights that need not add up to 1.
"""

from typing import Any, Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError

_AnsCoder = constriction.stream.stack.AnsCoder
_Categorical = constriction.stream.model.Categorical
_UNIFORM = constriction.stream.model.Uniform()

Symbols = NDArray[np.integer]
Weights = NDArray[np.float64]


class Coder(Protocol):
    """The common interface of encoder and decoder, so that one walk through a model serves both directions.

    ``truth`` holds the symbols to write; it is None when symbols are read.
    """

    def code(self, weights: Weights, *, num: int, truth: Symbols | None) -> Symbols:
        """Return ``num`` symbols that share one distribution ``weights: [A]``, with A at least 2."""

    def code_uniform(self, sizes: Symbols, *, truth: Symbols | None) -> Symbols:
        """Return one uniformly distributed symbol in ``[0, size)`` for each of ``sizes: [N]``, 2 to 2**16."""


class Encoder:
    """An encoder that collects symbols with their models, because ANS must write the last symbol first."""

    def __init__(self) -> None:
        self._messages: list[tuple[NDArray[np.int32], tuple[object, ...]]] = []

    def code(self, weights: Weights, *, num: int, truth: Symbols | None) -> Symbols:
        """Write ``truth`` and return it."""
        assert truth is not None
        assert truth.size == num
        self._messages.append((truth.astype(np.int32), (_Categorical(weights, perfect=False),)))
        return truth

    def code_uniform(self, sizes: Symbols, *, truth: Symbols | None) -> Symbols:
        """Write ``truth`` and return it."""
        assert truth is not None
        self._messages.append((truth.astype(np.int32), (_UNIFORM, sizes.astype(np.int32))))
        return truth

    def to_bytes(self, *, tail: bytes = b"") -> bytes:
        """Return all written symbols as bytes, on top of a ``tail`` that must not end in a zero byte."""
        ans = _AnsCoder(_to_words(tail))
        for symbols, model in reversed(self._messages):
            ans.encode_reverse(symbols, *model)
        return _to_bytes(ans)


class Decoder:
    """A decoder for the bytes of ``Encoder``, which needs the same calls in the same order."""

    def __init__(self, data: bytes, *, codec: str) -> None:
        self._codec = codec
        if data.endswith(b"\x00"):
            raise ArtifactError(f"damaged: {codec} codec has a stream that ends in zeros")
        self._ans = _AnsCoder(_to_words(data))

    def code(self, weights: Weights, *, num: int, truth: Symbols | None = None) -> Symbols:
        """Return ``num`` symbols. Damaged bytes also give symbols; `finish` detects the damage."""
        del truth
        symbols: Symbols = self._ans.decode(_Categorical(weights, perfect=False), num)
        return symbols

    def code_uniform(self, sizes: Symbols, *, truth: Symbols | None = None) -> Symbols:
        """Return a symbol for each size. Damaged bytes also give symbols; `finish` detects the damage."""
        del truth
        symbols: Symbols = self._ans.decode(_UNIFORM, sizes.astype(np.int32))
        return symbols

    def finish(self, *, tail_bytes: int = 0) -> bytes:
        """Return the tail; raises ArtifactError unless it has ``tail_bytes``, because wrong symbols were read then."""
        tail = _to_bytes(self._ans)
        if len(tail) != tail_bytes:
            raise ArtifactError(f"damaged: {self._codec} codec has a stream of other values")
        return tail


def _to_words(data: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(data + bytes(-len(data) % 4), dtype="<u4").astype(np.uint32)


def _to_bytes(ans: Any) -> bytes:
    words: NDArray[np.uint32] = ans.get_compressed()
    return words.astype("<u4").tobytes().rstrip(b"\x00")


def code_by_class(
    coder: Coder, classes: NDArray[np.uint8], *, weights: Weights, truth: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Return one symbol for each of ``classes: [N]``; row c of ``weights: [C, A]`` is the distribution of class c.

    Symbols are coded class by class, the lowest class first, and in order within a class. One call per class is many
    times faster than one call with a separate distribution for each symbol.
    """
    counts = np.bincount(classes, minlength=len(weights))
    present = np.flatnonzero(counts)
    if present.size == 1:
        return coder.code(weights[present[0]], num=classes.size, truth=truth).astype(np.uint8, copy=False)
    order = np.argsort(classes, kind="stable")
    grouped = np.empty(classes.size, dtype=np.uint8) if truth is None else truth[order]
    start = 0
    for index in present:
        end = start + int(counts[index])
        known = None if truth is None else grouped[start:end]
        grouped[start:end] = coder.code(weights[index], num=end - start, truth=known)
        start = end
    if truth is not None:
        return truth
    symbols = np.empty(classes.size, dtype=np.uint8)
    symbols[order] = grouped
    return symbols
