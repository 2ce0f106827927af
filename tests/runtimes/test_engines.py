import numpy as np
import pytest
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.engines import AUTO, ENGINES, check_engine, check_listed_engine, choose_engines, make_runtime


@pytest.mark.compiler
@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_makes_the_runtime_of_its_name(name: str) -> None:
    check_engine(name, key="runtime.engines")
    assert make_runtime(name).name == name


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match=r"^--engine=tensorrt: must be among eager, onnxruntime, sparse, openvino$"):
        check_engine("tensorrt", key="--engine")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")


@pytest.mark.compiler
def test_auto_stands_for_the_sparse_engine_where_a_compiler_is_found() -> None:
    assert choose_engines([AUTO]) == (["eager", "onnxruntime", "sparse"], {})
    assert choose_engines(["sparse", "eager", "sparse"]) == (["eager", "sparse"], {})


@pytest.mark.usefixtures("no_compiler")
def test_auto_leaves_an_engine_out_with_the_reason() -> None:
    chosen, left_out = choose_engines([AUTO])
    assert chosen == ["eager", "onnxruntime"]
    assert left_out == {"sparse": "CC=no-such-compiler: no such compiler; set CC to a C compiler, or unset it"}
    check_listed_engine(AUTO, key="runtime.engines")


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("listed", [["sparse"], [AUTO, "sparse"]])
def test_a_named_engine_without_a_compiler_is_refused(listed: list[str]) -> None:
    with pytest.raises(InputError, match=r"^CC=no-such-compiler: no such compiler"):
        check_listed_engine("sparse", key="runtime.engines")
    with pytest.raises(InputError, match=r"^CC=no-such-compiler: no such compiler"):
        choose_engines(listed)


def test_auto_is_no_engine_of_a_command() -> None:
    with pytest.raises(InputError, match=r"^--engine=auto: must be among eager,"):
        check_engine(AUTO, key="--engine")
    with pytest.raises(InputError, match=r"^runtime.engines=tpu: must be among auto, eager,"):
        check_listed_engine("tpu", key="runtime.engines")


@pytest.mark.compiler
@pytest.mark.parametrize("name", [name for name, engine in ENGINES.items() if not engine.reads_onnx])
def test_an_engine_that_reads_no_onnx_loads_a_model(name: str) -> None:
    predict = make_runtime(name).load(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), threads=1)
    assert predict(np.zeros((4, 3, 2, 2), dtype=np.float32)).shape == (4, 5)
