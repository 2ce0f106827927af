"""Building the kernels: which compiler, where they are kept, and what goes wrong."""

import multiprocessing
import os
import random
import string
import subprocess
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.sparse import compiler
from compression.runtimes.sparse.compiler import CACHE_VARIABLE, cache_folder, find_compiler, load_kernels
from compression.runtimes.sparse.sparse_engine import SparseRuntime

# Plain C builds on every processor.
PLAIN: dict[str, Any] = {"vector": 1, "is_x86": False}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    load_kernels.cache_clear()
    yield
    load_kernels.cache_clear()


def write_compiler(folder: Path, text: str) -> Path:
    path = folder / "my-cc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_kernels_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = find_compiler()[0]
    monkeypatch.setenv("CC", str(write_compiler(tmp_path, f'echo called >> "{tmp_path}/calls"\nexec "{real}" "$@"')))
    for _ in range(2):
        load_kernels(**PLAIN)
        load_kernels.cache_clear()
    assert (tmp_path / "calls").read_text() == "called\n"
    assert len(list(cache_folder().iterdir())) == 1


def test_another_width_is_another_library() -> None:
    load_kernels(1, is_x86=False)
    load_kernels(4, is_x86=False)
    assert len(list(cache_folder().iterdir())) == 2


def build(_: int) -> bool:
    return hasattr(load_kernels(**PLAIN), "run")


def test_processes_may_build_at_once() -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(build, range(2), chunksize=1) == [True, True]
    assert [path.suffix for path in cache_folder().iterdir()] == [".so"]


def test_a_missing_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiler, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r'no C compiler .*install gcc, or pip install "compression\[sparse\]"'):
        load_kernels(**PLAIN)


def test_a_wrong_cc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    with pytest.raises(InputError, match="CC=no-such-compiler: no such compiler"):
        load_kernels(**PLAIN)


def test_a_cc_that_is_no_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", 'gcc"')
    with pytest.raises(InputError, match=r'CC=gcc": not a command \(No closing quotation\)'):
        find_compiler()


def test_the_first_line_of_a_failing_compiler_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", str(write_compiler(tmp_path, "echo broken assembler >&2; echo more >&2; exit 1")))
    with pytest.raises(InputError, match=r"my-cc failed: broken assembler$"):
        load_kernels(**PLAIN)
    assert not cache_folder().exists()


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A file where the folder should be also stops root, whom permissions do not.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match=f"cannot be written to .*set {CACHE_VARIABLE} to a folder"):
        load_kernels(**PLAIN)


def test_a_damaged_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = 'while [ "$1" != -o ]; do shift; done; echo garbage > "$2"'
    monkeypatch.setenv("CC", str(write_compiler(tmp_path, text)))
    with pytest.raises(InputError, match=r"cannot be loaded .*remove it to build it again"):
        load_kernels(**PLAIN)


def test_no_text_of_a_network_reaches_the_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names of layers come from files. Whatever they are, the compiler reads the same files with the same flags."""
    real, rng = find_compiler()[0], random.Random(0)
    # torch.fx itself writes names into Python text, and fails for quotes; a dot separates modules.
    characters = string.printable.translate(dict.fromkeys(map(ord, '."\\\n\r')))
    monkeypatch.setenv("CC", str(write_compiler(tmp_path, f'echo "$@" >> "{tmp_path}/calls"\nexec "{real}" "$@"')))
    for _ in range(20):
        name = "INJECTED" + "".join(rng.choice(characters) for _ in range(10))
        network = nn.Sequential(OrderedDict({name: nn.Conv2d(3, rng.randint(1, 9), 2)}))
        network.add_module("flatten", nn.Flatten())
        network.eval()
        images = torch.randn(1, 3, 4, 4)
        with torch.inference_mode():
            expected = network(images).numpy()
        found = SparseRuntime(vector=1).load(network, threads=1)(images.numpy())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    [call] = (tmp_path / "calls").read_text().splitlines()
    assert "INJECTED" not in call
    [library] = cache_folder().iterdir()
    assert b"INJECTED" not in library.read_bytes()


@pytest.mark.parametrize("vector", [1, 4])
def test_the_kernels_compile_without_a_warning(vector: int, tmp_path: Path) -> None:
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", f"-DVECTOR={vector}"]
    source = str(compiler.KERNELS / "run.c")
    command = [*find_compiler(), *flags, "-fPIC", "-shared", source, "-o", str(tmp_path / "kernels.so"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
