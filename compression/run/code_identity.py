"""Hashes of user code in stage keys, so that edits of a model or criterion invalidate the cache."""

import ast
import contextlib
import hashlib
import io
import tokenize
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from compression.system.files import hash_file

# Files of this package that changed without changing a result: the first digits of the digest now, and the digest in
# the keys of earlier stages. So long trainings are still found. A test asks for an entry when a model's file changes.
SAME_RESULTS = {
    # Networks of one input channel, and the stem `light`.
    "c2a7a803099a4b7a": "281f52125f0a4f50ea331098def10af1f3fb73cc38daf5ce9ddada358f8efd70",
    "66c76d873833270c": "9f5afc8fdb3a77e4eacc3084b9f177bef3b0bba745b25ccc02fdc7bb35094f27",
    "e5e352f8b91a07ec": "3f4bde3555f487d346fd9db6bf8886820aff4c5a7de4fd2271e3805570cf1512",
    "96d90f13305acef1": "64acd02df2676658ac5d4b72590fc299aa15c61e3a5e18e5f4a2cc2177352544",
}
# Installed packages. Their versions are recorded with every stage.
_INSTALLED = ("torch", "torchvision", "timm", "lightning")


def user_code(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the file behind every ``_target_`` in ``settings`` that a user may have written.

    Files of this package count too: a new criterion in it is user code as much as a module beside train.py. Imports
    of these files are not followed. Comments, docstrings and blank lines do not count.
    """
    return {target: _digest(target) for target in sorted(set(_targets(settings))) if _may_be_edited(target)}


def foreign_code(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``user_code`` does, without files of this package; for parts whose keys had no code at first."""
    return {target: digest for target, digest in user_code(settings).items() if target.split(".")[0] != "compression"}


def code_without_comments(source: str) -> str:
    """Return Python ``source`` without comments, docstrings, blank lines and trailing spaces."""
    lines = _split_lines(source)
    for start, end in sorted([*_docstrings(source), *_comments(source)], reverse=True):
        (first, left), (last, right) = start, end
        lines[first - 1 : last] = [lines[first - 1][:left] + lines[last - 1][right:]]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _split_lines(source: str) -> list[str]:
    # As the parser counts lines. ``splitlines`` also splits at form feeds and at separators inside of strings.
    return io.StringIO(source).readlines()


def _docstrings(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the start and end of each docstring, as (line from 1, column in characters)."""
    lines = _split_lines(source)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node, clean=False) is None:
            continue
        text = node.body[0]
        assert text.end_lineno is not None
        assert text.end_col_offset is not None
        # The syntax tree counts columns in bytes of UTF-8.
        left = len(lines[text.lineno - 1].encode()[: text.col_offset].decode())
        right = len(lines[text.end_lineno - 1].encode()[: text.end_col_offset].decode())
        yield (text.lineno, left), (text.end_lineno, right)


def _comments(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start, token.end


def _targets(settings: Any) -> Iterator[str]:
    if isinstance(settings, Mapping):
        if isinstance(settings.get("_target_"), str):
            yield settings["_target_"]
        for value in settings.values():
            yield from _targets(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _targets(value)


def _may_be_edited(target: str) -> bool:
    return target.split(".")[0] not in _INSTALLED


def _find_module(target: str) -> ModuleSpec | None:
    """Return where the module of ``target`` is. What stands behind its name may be a class inside of a class."""
    while target := target.rpartition(".")[0]:
        with contextlib.suppress(ModuleNotFoundError):
            if (spec := find_spec(target)) is not None:
                return spec
    return None


def _digest(target: str) -> str:
    spec = _find_module(target)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return "no source file"
    path = Path(spec.origin)
    if path.suffix != ".py":
        return hash_file(path)
    with tokenize.open(path) as file:
        digest = hashlib.sha256(code_without_comments(file.read()).encode()).hexdigest()
    return SAME_RESULTS.get(digest[:16], digest)
