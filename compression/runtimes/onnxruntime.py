"""ONNX Runtime on the CPU as an engine."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from compression.core.errors import InputError, first_line
from compression.runtimes.runtime import Predictor, check_onnx_file

UNREADABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
)


class OnnxRuntime:
    """ONNX Runtime with every graph optimization, one operator at a time over ``threads`` threads."""

    name = "onnxruntime"

    def load(self, source: Path | str, /, *, threads: int) -> Predictor:
        """Return a function that runs the ONNX file ``source``; raises InputError when the file cannot be read."""
        session = open_session(source, options=make_options(threads=threads))
        input_name = session.get_inputs()[0].name

        def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
            logits: NDArray[np.float32] = session.run(None, {input_name: images})[0]
            return logits

        return predict


def make_options(*, threads: int) -> onnxruntime.SessionOptions:
    """Return the session options for all files, which are the same for timing and for reading the executed layers."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # By default its threads keep spinning after a call, which would slow down the engine that is timed next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


# This optimizer rounds float weights between quantized activations to 8 bits by default, so it is disabled.
QUANTIZES_WEIGHTS = "WeightBiasQuantization"


def open_session(source: Path | str, *, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Return a session for the ONNX file ``source``; raises InputError when it does not exist or cannot be read."""
    check_onnx_file(source)
    try:
        return onnxruntime.InferenceSession(
            str(source),
            sess_options=options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=[QUANTIZES_WEIGHTS],
        )
    except UNREADABLE as error:
        raise InputError(f"ONNX file {str(source)!r} cannot be read: {first_line(error)}") from error
