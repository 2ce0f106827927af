"""The kernels of the engine as one C text, for one vector width."""

import re

from compression.runtimes.sparse.compiler import KERNELS

_INCLUDE = re.compile(r'^ *#include "([a-z_]+\.(?:h|inc))"$')
_UNROLL = re.compile(r"^( *)#pragma GCC unroll (\d+)$")
# Compilers warn of pragmas that they do not know, Clang of loops that stay, and GCC of vectors that functions return,
# although all of these are inlined.
_PRAGMAS = """\
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"
#define UNROLL(count) _Pragma("unroll")
#elif defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"
#define UNROLL(count) UNROLL_(GCC unroll count)
#define UNROLL_(text) _Pragma(#text)
#else
#define UNROLL(count)
#endif
"""


def flatten_kernels(*, vector: int, longest_row: int | None) -> str:
    """Return the text of run.c with everything that it includes, for vectors of ``vector`` floats.

    ``longest_row`` is that of small tables, or None for tables as the engine has them.
    """
    head = [f"#define VECTOR {vector}"]
    if longest_row is not None:
        head.append(f"#define LONGEST_ROW {longest_row}")
    text = _flatten("run.c")
    before, name, after = text.partition("void run(const Operation")
    assert name
    return "\n".join(head) + "\n" + _PRAGMAS + before + "static " + name + after


def _flatten(name: str) -> str:
    lines: list[str] = []
    for line in (KERNELS / name).read_text().splitlines():
        if found := _INCLUDE.match(line):
            lines += _flatten(found[1]).splitlines()
        else:
            lines.append(_UNROLL.sub(r"\1UNROLL(\2)", line))
    return "\n".join(lines) + "\n"
