"""OpenVINO on the CPU as an engine: for Intel processors, and as a second opinion on integer arithmetic."""

import sys
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from compression.core.errors import InputError
from compression.runtimes.engines import check_engine
from compression.runtimes.openvino_limits import move_limits_
from compression.runtimes.runtime import Predictor, check_onnx_file

# So many compiled networks are kept, each for one batch size and with its own copy of the weights.
KEPT = 4


class OpenVinoRuntime:
    """OpenVINO tuned for latency, one image batch at a time over ``threads`` threads."""

    name = "openvino"

    def load(self, source: Path | str, /, *, threads: int) -> Predictor:
        """Return a function that runs the ONNX file ``source``.

        The network is compiled at the first use of each batch size. Raises InputError when the package is missing or
        the file cannot be read.
        """
        model = read_model(source)
        settings = make_settings(threads=threads)

        @lru_cache(maxsize=KEPT)
        def compile_for(batch_size: int) -> Any:
            return compile_model(model, batch_size=batch_size, settings=settings).create_infer_request()

        try:
            # Compiling now reports unsupported networks here and not at the first batch.
            compile_for(1)
        except RuntimeError as error:
            raise _unreadable(source, error) from error

        def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
            # Images are shared, not copied. Logits are copied, because the next batch would overwrite them.
            results = compile_for(len(images)).infer([np.ascontiguousarray(images)], share_inputs=True)
            logits: NDArray[np.float32] = results[0]
            return logits

        return predict


def make_settings(*, threads: int) -> dict[str, Any]:
    """Return the properties of OpenVINO's CPU plugin with which every network is compiled."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # On processors with AVX512-BF16 or AMX-BF16, OpenVINO silently uses bfloat16 for all float operations.
        # Quantized layers run in integers with this hint too.
        "INFERENCE_PRECISION_HINT": "f32",
        # The other engines do not pin threads to cores. Pinned threads would share cores when two processes measure
        # at the same time.
        "ENABLE_CPU_PINNING": False,
    }


def compile_model(model: Any, *, batch_size: int, settings: dict[str, Any]) -> Any:
    """Return the ``openvino.CompiledModel`` of ``model`` for exactly ``batch_size`` images.

    A dynamic batch size would add 5 to 12 % to the latency of a MobileNetV2; compiling takes about 0.1 seconds.
    """
    fixed = model.clone()
    shape = fixed.input(0).get_partial_shape()
    if shape[0].is_dynamic:
        shape[0] = batch_size
        fixed.reshape({fixed.input(0): shape})
    return _core().compile_model(fixed, "CPU", settings)


def read_model(source: Path | str) -> Any:
    """Return the ``openvino.Model`` of an ONNX file.

    Raises InputError when the package is missing, or the file does not exist or cannot be read.
    """
    import_openvino()
    check_onnx_file(source)
    try:
        # OpenVINO tries all its other readers on a file that is not ONNX, and they print messages. It also reads files
        # with an unknown operator set as if it knew the set. So the file is checked first.
        proto = onnx.load(source)
        onnx.checker.check_model(proto)
        _check_opset(proto)
        return _core().read_model(proto.SerializeToString() if move_limits_(proto.graph) else source)
    except (DecodeError, onnx.checker.ValidationError, RuntimeError) as error:
        raise _unreadable(source, error) from error


@cache
def _core() -> Any:
    # One core for the process: it holds the plugin whose threads run the networks, so it must outlive all of them.
    return import_openvino().Core()


def import_openvino() -> ModuleType:
    """Import and return the package ``openvino`` without telemetry; raises InputError if the package is missing.

    On import, ``openvino`` sends a message to its maker and writes an identifier below the user's home, unless the
    package ``openvino_telemetry`` is missing. That package is therefore hidden during the import.
    """
    check_engine(OpenVinoRuntime.name, key="runtime.engines")
    hidden = {name: sys.modules[name] for name in ("openvino_telemetry",) if name in sys.modules}
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules["openvino_telemetry"]
        sys.modules.update(hidden)
    return openvino


def _check_opset(proto: onnx.ModelProto) -> None:
    known = onnx.defs.onnx_opset_version()
    for opset in proto.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > known:
            raise onnx.checker.ValidationError(f"operator set {opset.version} is unknown; allowed: up to {known}")


def _unreadable(source: Path | str, error: Exception) -> InputError:
    # OpenVINO's messages begin with their location in its source, which is left out.
    lines = [line.strip() for line in str(error).splitlines()]
    found = [line for line in lines if line and not line.startswith(("Exception from", "Check '")) and line[-1] != ":"]
    return InputError(f"ONNX file {str(source)!r} cannot be read: {(found or ['unknown reason'])[0]}")
