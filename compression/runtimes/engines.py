"""The engines by name: the class of each, and the packages that it needs."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from compression.core.errors import InputError
from compression.system.extras import require_packages

if TYPE_CHECKING:
    # Importing it takes a tenth of a second, and the command line needs only the names of engines.
    from compression.runtimes.runtime import Predictor, Runtime


@dataclass(frozen=True)
class Engine:
    """A runtime that is imported when it is first used, because its packages may be missing.

    ``packages`` include those that write its ONNX file. With ``reads_onnx`` the runtime loads the path of an ONNX
    file, otherwise a model in memory. With ``compiles`` it needs a C compiler, and refuses networks that have
    operations without a kernel.
    """

    target: str
    packages: tuple[str, ...] = ()
    reads_onnx: bool = False
    compiles: bool = False


SPARSE = "sparse"
ENGINES: dict[str, Engine] = {
    "eager": Engine("compression.runtimes.eager.EagerRuntime"),
    "onnxruntime": Engine(
        "compression.runtimes.onnxruntime.OnnxRuntime", ("onnxruntime", "onnx", "onnxscript"), reads_onnx=True
    ),
    SPARSE: Engine("compression.runtimes.sparse.sparse_engine.SparseRuntime", compiles=True),
    "openvino": Engine(
        "compression.runtimes.openvino.OpenVinoRuntime", ("openvino", "onnx", "onnxscript"), reads_onnx=True
    ),
}

# In a list of engines, AUTO stands for these. Without a compiler, those that need one are left out.
AUTO = "auto"
AUTOMATIC = ("eager", "onnxruntime", SPARSE)


def check_engine(name: str, *, key: str) -> None:
    """Raise InputError if the engine ``name``, the value of ``key``, is unknown or needs what this machine lacks."""
    if name not in ENGINES:
        raise InputError(f"{key}={name}: must be among {', '.join(ENGINES)}")
    require_packages(*ENGINES[name].packages)
    if ENGINES[name].compiles:
        # Imported late, because only this engine needs it.
        from compression.runtimes.sparse.compiler import find_compiler

        find_compiler()


def check_listed_engine(name: str, *, key: str) -> None:
    """Check a name in a list of engines, as ``check_engine`` does; AUTO is allowed."""
    if name not in (AUTO, *ENGINES):
        raise InputError(f"{key}={name}: must be among {', '.join((AUTO, *ENGINES))}")
    if name != AUTO:
        check_engine(name, key=key)


def choose_engines(listed: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Return the engines that a list stands for, in the order of ``ENGINES``, and the reasons for those left out.

    Only engines that AUTO stands for can be left out.
    """
    named = {name for name in listed if name != AUTO}
    wanted = named | set(AUTOMATIC if AUTO in listed else ())
    chosen, left_out = [], {}
    for name in ENGINES:
        if name not in wanted:
            continue
        try:
            check_engine(name, key="runtime.engines")
        except InputError as error:
            if name in named:
                raise
            left_out[name] = str(error)
        else:
            chosen.append(name)
    return chosen, left_out


def make_runtime(name: str) -> "Runtime":
    """Return the runtime of the engine ``name``, which ``check_engine`` accepts."""
    module, _, cls = ENGINES[name].target.rpartition(".")
    runtime: Runtime = getattr(import_module(module), cls)()
    return runtime


def load_ready(
    name: str, source: Any, *, threads: int, image_size: int, batch_sizes: Collection[int], channels: int = 3
) -> "Predictor":
    """Load ``source`` into the engine ``name``; batches of these sizes then need no more preparation.

    ``image_size`` is in pixels, each of ``channels`` values. Raises InputError if the engine refuses the network, also
    where it would do so only at the first batch.
    """
    predict = make_runtime(name).load(source, threads=threads)
    if ENGINES[name].compiles:
        import numpy as np

        noise = np.random.default_rng(0)
        for batch_size in batch_sizes:
            predict(noise.standard_normal((batch_size, channels, image_size, image_size), dtype=np.float32))
    return predict
