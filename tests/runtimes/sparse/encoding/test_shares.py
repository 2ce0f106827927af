"""Shares of operations: parts of equal work, the same logits, and what happens where no thread starts."""

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from compression.runtimes.sparse.encoding.encode import encode
from compression.runtimes.sparse.encoding.shares import MOST_PARTS, share
from compression.runtimes.sparse.encoding.structures import CONVOLUTION, EXPORT, IMPORT, NOTHING, PACK
from compression.runtimes.sparse.lowering import lower
from compression.runtimes.sparse.sparse_network import count_parts


def program_of(layer: nn.Conv2d, size: int = 8):
    model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return lower(model, shape=(layer.in_channels, size, size))


def test_parts_of_a_convolution_have_as_many_weights_as_they_can() -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1)
    with torch.no_grad():
        # Almost all weights are in the first rows, so the second part takes more rows.
        layer.weight[4:, 2:] = 0
    encoded = encode(program_of(layer), vector=4, lanes=1)
    shares = share(encoded, 2)
    steps = [step for step in shares.T if CONVOLUTION in step["kind"].tolist()]
    [(first, second)] = steps
    assert first["rows"] + second["rows"] == 16
    assert first["rows"] < 6
    # What a convolution reads is laid out by all threads before any of them reads it.
    [packing] = [step for step in shares.T if PACK in step["kind"].tolist()]
    assert packing["channels"].tolist() == [8, 8]


def test_images_and_logits_belong_to_the_first_thread() -> None:
    shares = share(encode(program_of(nn.Conv2d(3, 4, 3)), vector=4, lanes=1), 3)
    assert shares["kind"][:, 0].tolist() == [IMPORT, NOTHING, NOTHING]
    assert shares["kind"][:, -1].tolist() == [EXPORT, NOTHING, NOTHING]


def test_threads_are_used_where_there_is_work_for_them() -> None:
    small, large = (program_of(nn.Conv2d(channels, channels, 3, padding=1), 32) for channels in (4, 128))
    assert count_parts(small, threads=2) == 1
    assert count_parts(large, threads=2) == 2
    assert count_parts(large, threads=1) == 1
    # 128 x 128 x 9 weights take 19.3 ns each: 2.8 ms, so 11 parts of 0.25 ms.
    assert count_parts(large, threads=1000) == 11 <= MOST_PARTS


def test_zeros_count_as_work_where_they_are_computed() -> None:
    depthwise = nn.Conv2d(512, 512, 3, padding=1, groups=512)
    usual = nn.Conv2d(128, 128, 3, padding=1)
    with torch.no_grad():
        depthwise.weight.zero_()
        usual.weight.zero_()
    # 4,608 weights take 307 ns each: 1.4 ms.
    assert count_parts(program_of(depthwise, 128), threads=9) == 5
    assert count_parts(program_of(usual, 32), threads=9) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_without_threads_one_computes_all_parts() -> None:
    program = """\
        import resource, threading
        import numpy as np
        import torch
        from torch import nn
        from compression.runtimes.cpu_features import read_cpu_features
        from compression.runtimes.sparse.compiler import load_kernels
        from compression.runtimes.sparse.encoding.encode import encode
        from compression.runtimes.sparse.lowering import lower
        from compression.runtimes.sparse.sparse_network import _Blocks, _Single

        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4))
        program = lower(model, shape=(3, 8, 8))
        encoded, encoded_blocks = (encode(program, vector=4, lanes=lanes) for lanes in (1, 4))
        kernels = load_kernels(4, is_x86=read_cpu_features().is_x86)
        image = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)
        alone, shared = np.zeros((2, 4), np.float32)
        _Single(kernels, encoded).run(image, alone)
        images = np.random.default_rng(1).standard_normal((12, 3, 8, 8), dtype=np.float32)
        in_turn, in_threads = np.zeros((2, 12, 4), np.float32)
        _Blocks(kernels, encoded_blocks, threads=1).run(images, in_turn)
        bound, blocks = _Single(kernels, encoded, parts=3), _Blocks(kernels, encoded_blocks, threads=3)
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
        limit = pages * resource.getpagesize() + (1 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            threading.Thread(target=print).start()
        except RuntimeError:
            print("no threads")
        bound.run(image, shared)
        blocks.run(images, in_threads)
        print(abs(alone).max() > 0 and (alone == shared).all() and (in_turn == in_threads).all())
        """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout.split("\n")[:2] == ["no threads", "True"], done.stderr
