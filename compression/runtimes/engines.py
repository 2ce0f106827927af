"""The engines by name: the class of each, and the packages that it needs."""

from dataclasses import dataclass
from importlib import import_module

from compression.core.errors import InputError
from compression.runtimes.runtime import Runtime
from compression.system.extras import require_packages


@dataclass(frozen=True)
class Engine:
    """A runtime that is imported when it is first used, because its packages may be missing.

    ``packages`` include those that write its ONNX file. With ``reads_onnx`` the runtime loads the path of an ONNX
    file, otherwise a model in memory.
    """

    target: str
    packages: tuple[str, ...] = ()
    reads_onnx: bool = False


ENGINES: dict[str, Engine] = {
    "eager": Engine("compression.runtimes.eager.EagerRuntime"),
    "onnxruntime": Engine(
        "compression.runtimes.onnxruntime.OnnxRuntime", ("onnxruntime", "onnx", "onnxscript"), reads_onnx=True
    ),
    "sparse": Engine("compression.runtimes.sparse.sparse_engine.SparseRuntime"),
    "openvino": Engine(
        "compression.runtimes.openvino.OpenVinoRuntime", ("openvino", "onnx", "onnxscript"), reads_onnx=True
    ),
}


def check_engine(name: str, *, key: str) -> None:
    """Raise InputError if the engine ``name``, the value of ``key``, is unknown or needs a missing package."""
    if name not in ENGINES:
        raise InputError(f"{key}={name}: must be among {', '.join(ENGINES)}")
    require_packages(*ENGINES[name].packages)


def make_runtime(name: str) -> Runtime:
    """Return the runtime of the engine ``name``, which ``check_engine`` accepts."""
    module, _, cls = ENGINES[name].target.rpartition(".")
    runtime: Runtime = getattr(import_module(module), cls)()
    return runtime
