"""Exported folders, compiled and run: with every option, on random networks, with sanitizers, and on Arm."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from c_programs import STRICT, compile_c, run_program
from integer_nets import wide_layer
from random_networks import random_network
from residual_net import Residual, randomize_
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.runtimes.sparse.c_export.check_text import TestImages
from compression.runtimes.sparse.c_export.write_folder import VECTORS, check_folder, make_c_model, write_folder

SEEDS = range(6)


def draw_pixels(count: int, size: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def export(folder: Path, network: nn.Module, pixels: Tensor, **options: Any) -> TestImages:
    """Export ``network`` with the logits of PyTorch, for images whose values are not changed by normalization."""
    with torch.inference_mode():
        logits = network(pixels.float() / 255).numpy()
    names = tuple(f"class {index}" for index in range(logits.shape[1]))
    shape = tuple(pixels.shape[1:])
    mean, std = (0.0,) * shape[0], (1.0,) * shape[0]
    model = make_c_model(network, shape=shape, class_names=names, mean=mean, std=std, **options)  # type: ignore[arg-type]
    images = TestImages(pixels.numpy(), logits, "random", 0.01)
    write_folder(folder, model, images)
    return images


def check_output(output: bytes, images: TestImages) -> None:
    """Check what test_model.c prints: all images agree, and logits are those of PyTorch."""
    first = output.decode().splitlines()[0]
    count = len(images.pixels)
    assert first.startswith(f"{count} of {count} images agree; largest error of a logit ")
    error = float(first.split("largest error of a logit ")[1].split()[0])
    assert error <= 1e-4 * np.abs(images.logits).max()


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("vector", list(VECTORS))
def test_every_option_gives_the_logits_of_pytorch(vector: str, optimize: str, tmp_path: Path) -> None:
    images = export(tmp_path / "c", randomize_(Residual()), draw_pixels(10, 12), vector=vector, optimize=optimize)
    flags = STRICT if vector == "none" else ("-Wall", "-Wextra")
    check_output(run_program(compile_c(tmp_path / "c", "-O1", *flags)), images)


@pytest.mark.parametrize("vector", list(VECTORS))
def test_many_channels_on_an_odd_map_are_exported_right(vector: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 80, 1), nn.ReLU(), nn.Conv2d(80, 8, 3, padding=1), nn.ReLU(), nn.Flatten())
    images = export(tmp_path / "c", network.eval(), draw_pixels(4, 7), vector=vector)
    check_output(run_program(compile_c(tmp_path / "c", "-O1")), images)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_under_sanitizers(seed: int, tmp_path: Path) -> None:
    network, images = random_network(seed)
    pixels = (images[:2] - images.min()) / (images.max() - images.min()) * 255
    options = {"vector": ("none", "4")[seed % 2], "optimize": ("size", "speed")[seed // 2 % 2]}
    made = export(tmp_path / "c", network, pixels.to(torch.uint8), **options)
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    check_output(run_program(compile_c(tmp_path / "c", *flags)), made)


def test_few_distinct_weights_are_listed_and_computed_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Flatten(), nn.Linear(1024, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_((parameter * 20).round() / 16)
    images = export(tmp_path / "c", network.eval(), draw_pixels(4, 12), optimize="size")
    assert "3 have 8-bit weights" in (tmp_path / "c" / "README.md").read_text()
    check_output(run_program(compile_c(tmp_path / "c", "-O1")), images)


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_sums_beyond_float32_are_exact_in_c_too(optimize: str, tmp_path: Path) -> None:
    network = wide_layer(nn.Conv2d(96, 3, 3), bias=5)
    pixels = torch.randint(230, 256, (4, 96, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = export(tmp_path / "c", network, pixels, optimize=optimize, vector="none")
    assert "RESCALE" in (tmp_path / "c" / "model_tables.h").read_text()
    check_output(run_program(compile_c(tmp_path / "c", "-O1", *STRICT)), images)


@pytest.mark.parametrize("more", [1, 2])
def test_tables_with_doubles_may_end_at_any_multiple_of_four(more: int, tmp_path: Path) -> None:
    """A struct with doubles ends at a multiple of 8 bytes."""
    network = wide_layer(nn.Conv2d(96, 1, 3), bias=5)
    names, mean, std = tuple(map(str, range(9))), (0.0,) * 96, (1.0,) * 96
    model = make_c_model(network, shape=(96, 5, 5), class_names=names, mean=mean, std=std, vector="none")
    model.tables.members.add(np.arange(0.5, more, dtype=np.float32))
    assert any(array.itemsize == 8 for array in model.tables.members.arrays)
    pixels = torch.randint(230, 256, (2, 96, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        images = TestImages(pixels.numpy(), network(pixels.float() / 255).numpy(), "random", 0.01)
    write_folder(tmp_path / "c", model, images)
    check_output(run_program(compile_c(tmp_path / "c", "-O1", *STRICT)), images)


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_a_layer_without_weights_is_strict_c(optimize: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 64, 3)).eval()
    nn.init.zeros_(network[1].weight)  # type: ignore[arg-type]
    images = export(tmp_path / "c", network, draw_pixels(3, 12), optimize=optimize, vector="none")
    check_output(run_program(compile_c(tmp_path / "c", "-O1", *STRICT)), images)


def test_a_wrong_logit_is_found(tmp_path: Path) -> None:
    """The program does not agree with everything."""
    network = randomize_(Residual())
    export(tmp_path / "c", network, draw_pixels(3, 12))
    model = make_c_model(network, shape=(3, 12, 12), class_names=tuple("abcd"), mean=(0.0,) * 3, std=(1.0,) * 3)
    with torch.inference_mode():
        logits = -network(draw_pixels(3, 12).float() / 255).numpy()
    write_folder(tmp_path / "wrong", model, TestImages(draw_pixels(3, 12).numpy(), logits, "random", 0.01))
    done = subprocess.run([str(compile_c(tmp_path / "wrong"))], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("0 of 3 images agree")
    # The classes are right, and a logit is not.
    write_folder(tmp_path / "near", model, TestImages(draw_pixels(3, 12).numpy(), -1.1 * logits, "random", 0.01))
    done = subprocess.run([str(compile_c(tmp_path / "near"))], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("3 of 3 images agree")


def test_nothing_is_allocated(tmp_path: Path) -> None:
    export(tmp_path / "c", randomize_(Residual()), draw_pixels(1, 12))
    text = "".join((tmp_path / "c" / name).read_text() for name in ("model.c", "model_kernels.h", "model_tables.h"))
    assert "alloc" not in text


def test_names_of_classes_stay_strings(tmp_path: Path) -> None:
    network, pixels = randomize_(Residual()), draw_pixels(1, 12)
    names = ('"}; int INJECTED(void) {"', "*/ #error INJECTED", "??/\n", "caf\u00e9")
    model = make_c_model(network, shape=(3, 12, 12), class_names=names, mean=(0.0,) * 3, std=(1.0,) * 3)
    with torch.inference_mode():
        images = TestImages(pixels.numpy(), network(pixels.float() / 255).numpy(), "random", 0.01)
    write_folder(tmp_path / "c", model, images)
    (tmp_path / "c" / "test_model.c").write_text(
        '#include "model.h"\n#include <stdio.h>\n'
        "int main(void) { for (int i = 0; i < MODEL_NUM_CLASSES; i++) puts(model_class_names[i]); return 0; }\n"
    )
    assert run_program(compile_c(tmp_path / "c", "-O0")).decode() == "".join(f"{name}\n" for name in names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b" * 5000, "c", "d"), r"class 1: its name has 5,000 bytes; allowed: 4,095"),
        (("a", "b", "c\0", "d"), r"class 2: its name 'c\\x00' holds a zero character"),
        (("a", "b"), "the network has 4 logits for 2 class names"),
    ],
)
def test_names_that_c_cannot_hold(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_c_model(randomize_(Residual()), shape=(3, 12, 12), class_names=names, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_a_folder_with_files_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is not empty; allowed: a new or empty folder"):
        check_folder(tmp_path)
    with pytest.raises(InputError, match="is not a folder; allowed"):
        check_folder(tmp_path / "mine.txt")
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")
    check_folder(tmp_path / "new")


def find_zig() -> tuple[str, ...] | None:
    return (sys.executable, "-m", "ziglang", "cc") if find_spec("ziglang") is not None else None


@pytest.mark.slow
@pytest.mark.parametrize("vector", ["none", "4"])
@pytest.mark.parametrize(
    ("target", "emulator"), [("aarch64-linux-musl", "qemu-aarch64"), ("arm-linux-musleabihf", "qemu-arm")]
)
def test_arm_gives_the_logits_of_pytorch(target: str, emulator: str, vector: str, tmp_path: Path) -> None:
    zig, qemu = find_zig(), shutil.which(emulator) or shutil.which(f"{emulator}-static")
    if zig is None:
        pytest.skip("no cross compiler: pip install ziglang")
    if qemu is None:
        pytest.skip(f"no {emulator}: apt install qemu-user")
    images = export(tmp_path / "c", randomize_(Residual()), draw_pixels(4, 12), vector=vector, optimize="size")
    program = compile_c(tmp_path / "c", "-O2", "-static", "-target", target, command=zig)
    check_output(run_program(program, qemu), images)


@pytest.mark.slow
@pytest.mark.parametrize("vector", ["none", "8"])
def test_clang_compiles_without_a_warning(vector: str, tmp_path: Path) -> None:
    clang = shutil.which("clang")
    command = (clang,) if clang else find_zig()
    if command is None:
        pytest.skip("no clang: pip install ziglang, or install clang")
    images = export(tmp_path / "c", randomize_(Residual()), draw_pixels(4, 12), vector=vector)
    flags = STRICT if vector == "none" else ("-Wall", "-Wextra", "-Wno-psabi")
    check_output(run_program(compile_c(tmp_path / "c", "-O2", *flags, command=command)), images)
