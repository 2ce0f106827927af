import numpy as np
import pytest
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.engines import ENGINES, check_engine, make_runtime


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_makes_the_runtime_of_its_name(name: str) -> None:
    check_engine(name, key="runtime.engines")
    assert make_runtime(name).name == name


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match=r"^--engine=tensorrt: must be among eager, onnxruntime, sparse, openvino$"):
        check_engine("tensorrt", key="--engine")


@pytest.mark.parametrize("name", [name for name, engine in ENGINES.items() if not engine.reads_onnx])
def test_an_engine_that_reads_no_onnx_loads_a_model(name: str) -> None:
    predict = make_runtime(name).load(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), threads=1)
    assert predict(np.zeros((4, 3, 2, 2), dtype=np.float32)).shape == (4, 5)
