"""Peak memory of loading and running a model file, measured in a separate process.

``python -m compression.peak_memory FILE --image-size 32 --batch 1 --threads 2`` prints one line of JSON.
"""

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from compression.core.errors import InputError

PREDICTIONS = 3


@dataclass(frozen=True)
class PeakMemory:
    """Resident memory in bytes: with the engine imported, and what loading and running the file adds at its peak."""

    baseline_bytes: int
    extra_bytes: int
    batch_size: int
    threads: int


def measure_peak_memory(
    path: Path | str, *, image_size: int, batch_size: int, threads: int, allow: Sequence[str] = (), channels: int = 3
) -> PeakMemory:
    """Load and run ``path`` in a new process and return its peak memory.

    An ``.onnx`` file runs in ONNX Runtime, an artifact in PyTorch eager mode. ``allow`` names packages that the
    architecture may be imported from, as in `load_artifact`. Raises InputError when the file cannot be loaded.
    """
    command = [sys.executable, "-m", "compression.peak_memory", str(path)]
    command += ["--image-size", str(image_size), "--channels", str(channels)]
    command += ["--batch", str(batch_size), "--threads", str(threads)]
    for package in allow:
        command += ["--allow-import", package]
    # The child gets the search path of this process, so that it also finds a user's own model.
    search_path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    environment = {**os.environ, "PYTHONPATH": search_path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"peak memory of {path} could not be measured: {last.removeprefix('error: ')}")
    return PeakMemory(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure this process and print its PeakMemory as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m compression.peak_memory")
    parser.add_argument("file", type=Path)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--allow-import", action="append", default=[])
    arguments = parser.parse_args()

    size = arguments.image_size
    images = np.zeros((arguments.batch, arguments.channels, size, size), dtype=np.float32)
    start = _prepare(arguments.file, threads=arguments.threads, allow=arguments.allow_import)
    gc.collect()
    baseline = psutil.Process().memory_info().rss
    _reset_peak()
    try:
        predict = start()
    except InputError as error:
        sys.exit(f"error: {error}")
    for _ in range(PREDICTIONS):
        predict(images)
    peak = PeakMemory(
        baseline_bytes=baseline,
        extra_bytes=max(0, _read_peak() - baseline),
        batch_size=arguments.batch,
        threads=arguments.threads,
    )
    print(json.dumps(asdict(peak)))


def _prepare(path: Path, *, threads: int, allow: Sequence[str]) -> Callable[[], Callable[..., object]]:
    # Imports and the first use of the engine happen here; the returned function loads the file. So the memory of the
    # engine is not counted. Packages other than torchvision that an architecture imports are counted.
    if path.suffix == ".onnx":
        from compression.runtimes.onnxruntime import OnnxRuntime

        return lambda: OnnxRuntime().load(path, threads=threads)

    import torchvision.models  # noqa: F401
    from torch import nn

    from compression.artifact import load
    from compression.runtimes.eager import EagerRuntime

    EagerRuntime().load(nn.Conv2d(3, 8, 3), threads=threads)(np.zeros((1, 3, 8, 8), dtype=np.float32))
    return lambda: EagerRuntime().load(load(path, allow=allow, max_bytes=None), threads=threads)


def _reset_peak() -> None:
    # This works only on Linux, and not in every container. Elsewhere the peak includes that of the imports.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _read_peak() -> int:
    # ru_maxrss is the last resort, because a child process inherits the value of its parent on Linux.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
