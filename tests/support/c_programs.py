"""Compiling and running exported C."""

import subprocess
from pathlib import Path

from compression.runtimes.sparse.compiler import find_compiler

# What the text without vectors is compiled with.
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic")


def compile_c(folder: Path, *flags: str, command: tuple[str, ...] | None = None) -> Path:
    """Compile all C files of ``folder``; a warning on the way fails the test."""
    program = folder / "a.out"
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    done = subprocess.run(
        [*(command or find_compiler()), *flags, *sources, "-o", str(program), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return program


def run_program(program: Path, *before: str) -> bytes:
    """Return what a program prints. A failure of the program fails the test."""
    done = subprocess.run([*before, str(program)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout
