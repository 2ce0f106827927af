import random
import string
from pathlib import Path

import numpy as np
import pytest
from c_programs import STRICT, compile_c, run_program

from compression.runtimes.sparse.c_export.c_text import count_bytes, format_float, format_values, quote, wrap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", '"cat"'),
        ('a"b\\', '"a\\042b\\134"'),
        ("\u00e9" + "1", '"\\303\\2511"'),
        ("??/", '"\\077\\077/"'),
        ("\n*/", '"\\012*/"'),
        ("", '""'),
        ("\ud800", '"\\355\\240\\200"'),
    ],
)
def test_quoted_text_by_hand(text: str, expected: str) -> None:
    assert quote(text) == expected


def test_the_bytes_of_a_name_are_those_of_utf_8() -> None:
    assert count_bytes("\u00e9x") == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0.0f"), (-0.0, "-0x0p+0f"), (1.0, "0x1p+0f"), (0.75, "0x1.8p-1f"), (float("inf"), "INFINITY")],
)
def test_numbers_by_hand(value: float, expected: str) -> None:
    assert format_float(value) == expected


def test_integers_are_written_in_lines() -> None:
    assert format_values(np.array([1, -2], dtype=np.int16)) == "1, -2"
    lines = wrap(["123456789"] * 40).split("\n")
    assert len(lines) == 4
    assert max(map(len, lines)) <= 111
    assert "".join(lines).replace(" ", "").split(",") == ["123456789"] * 40


def test_a_compiler_reads_any_name_and_number_as_it_was(tmp_path: Path) -> None:
    """Names come from files. Whatever they are, they stay strings, and numbers keep every bit."""
    rng = random.Random(0)
    characters = string.printable + '"\\??/' * 5 + "\u00e9\U0001f600\x01\x7f"
    names = ["".join(rng.choice(characters) for _ in range(rng.randint(0, 30))) for _ in range(300)]
    names += ['"; int main(void) {', "??=error", "*/ #error", "%s%n", "\\", "\\u0041", "\x1b[31m", "4095" * 1000]
    bits = np.random.default_rng(0).integers(0, 1 << 32, 2000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    (tmp_path / "main.c").write_text(
        f"""\
#include <stdint.h>
#include <stdio.h>
static const char *const names[] = {{
{", ".join(quote(name) for name in names).replace(", ", "," + chr(10))}
}};
static const float numbers[] = {{
{format_values(numbers)}
}};
int main(void)
{{
    fwrite(numbers, sizeof numbers, 1, stdout);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        fwrite(names[i], 1, __builtin_strlen(names[i]) + 1, stdout);
    return 0;
}}
"""
    )
    found = run_program(compile_c(tmp_path, *STRICT, "-trigraphs"))
    expected = numbers.tobytes() + b"".join(name.encode() + b"\0" for name in names)
    assert found == expected
