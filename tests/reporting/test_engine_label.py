"""Labels of engines: what really runs."""

import pytest

from compression.reporting.engine_label import label_engine

W8A8, W4A8, W3A32 = "W8A8, executed in integers", "W4A8, simulated, stored packed", "W3A32, simulated, stored packed"


@pytest.mark.parametrize(
    ("engine", "arithmetic", "label"),
    [
        ("eager", None, "eager"),
        ("sparse", None, "sparse"),
        ("eager", W8A8, "eager (simulation)"),
        ("onnxruntime", W8A8, "onnxruntime"),
        ("onnxruntime", W4A8, "onnxruntime (held in 8 bits)"),
        # It has no integer kernels, so nothing is held in 8 bits.
        ("sparse", W8A8, "sparse (integers in floats)"),
        ("sparse", W4A8, "sparse (integers in floats)"),
        ("sparse", W3A32, "sparse (weights in floats)"),
        ("sparse", "W8A32, computed in float32", "sparse (weights in floats)"),
    ],
)
def test_the_label_says_what_runs(engine, arithmetic, label):
    assert label_engine(engine, arithmetic) == label
