"""OpenVINO on the CPU: the engine of Intel's processors, and a second opinion on integer arithmetic."""

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
from compression.runtimes.runtime import Predictor, check_engine, check_onnx_file

# Networks kept compiled, each for one batch size and with weights of its own.
KEPT = 4


class OpenVinoRuntime:
    """OpenVINO tuned for latency, one image batch at a time over ``threads`` threads."""

    name = "openvino"

    def load(self, source: Path | str, /, *, threads: int) -> Predictor:
        """Return a function over the ONNX file ``source``.

        The network is compiled anew at the first use of a batch size. Raises InputError when the package is
        missing or the file cannot be read.
        """
        model = read_model(source)
        settings = make_settings(threads=threads)

        @lru_cache(maxsize=KEPT)
        def compile_for(batch_size: int) -> Any:
            return compile_model(model, batch_size=batch_size, settings=settings).create_infer_request()

        try:
            # What this engine cannot run is told now, not at the first batch.
            compile_for(1)
        except RuntimeError as error:
            raise _unreadable(source, error) from error

        def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
            # Images are shared, not copied; logits are copied, or the next batch would overwrite them.
            results = compile_for(len(images)).infer([np.ascontiguousarray(images)], share_inputs=True)
            logits: NDArray[np.float32] = results[0]
            return logits

        return predict


def make_settings(*, threads: int) -> dict[str, Any]:
    """Return the properties of OpenVINO's CPU plugin that every network is compiled with."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # On processors with AVX512-BF16 or AMX-BF16 the default is bfloat16, in silence, for all that is not
        # integer. Quantized layers run in integers under this hint as well.
        "INFERENCE_PRECISION_HINT": "f32",
        # The other engines leave it to the system where threads run; pinned ones would meet on the same cores
        # when two processes measure.
        "ENABLE_CPU_PINNING": False,
    }


def compile_model(model: Any, *, batch_size: int, settings: dict[str, Any]) -> Any:
    """Return the ``openvino.CompiledModel`` of ``model`` for exactly ``batch_size`` images.

    An open batch dimension costs 5 to 12 % of the latency of a MobileNetV2; compiling costs about 0.1 s.
    """
    fixed = model.clone()
    shape = fixed.input(0).get_partial_shape()
    if shape[0].is_dynamic:
        shape[0] = batch_size
        fixed.reshape({fixed.input(0): shape})
    return _core().compile_model(fixed, "CPU", settings)


def read_model(source: Path | str) -> Any:
    """Return the ``openvino.Model`` of an ONNX file; raises InputError as `OpenVinoRuntime.load` does."""
    import_openvino()
    check_onnx_file(source)
    try:
        # OpenVINO tries what is no ONNX file with every other reader it has, which print what they think of it, and
        # reads a file of an operator set it does not know as if it knew it.
        proto = onnx.load(source)
        onnx.checker.check_model(proto)
        _check_opset(proto)
        return _core().read_model(source)
    except (DecodeError, onnx.checker.ValidationError, RuntimeError) as error:
        raise _unreadable(source, error) from error


@cache
def _core() -> Any:
    # One for the whole process: it holds the plugin whose threads networks run on, and must not go before them.
    return import_openvino().Core()


def import_openvino() -> ModuleType:
    """Return the package ``openvino``; raises InputError if it is missing.

    At its import it sends its maker a message, and writes an identifier below the user's home, unless the package
    ``openvino_telemetry`` cannot be found: it is hidden meanwhile.
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
    # OpenVINO's messages begin with where in its source they come from.
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '")) and line[-1] != ":"]
    return InputError(f"ONNX file {str(source)!r} cannot be read: {(told or ['unknown reason'])[0]}")
