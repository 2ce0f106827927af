import pytest
import torch
from runs import compose_config
from torch import nn

from compression.core.errors import InputError
from compression.run import check_memory
from compression.run.checks.check_files import check_files
from compression.run.context import make_context


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "checks"))

    def make(name: str, *more: str):
        overrides = ("model=custom", f"model._target_=user_nets.{name}", f"output_dir={tmp_path}", *more)
        return make_context(compose_config(*overrides), tmp_path / "run")

    return make


UNUSUAL = (
    *("Views", "TiedWeights", "TwoNames", "TupleOutput", "RandomConstant"),
    *("PreActivation", "OverwritesInput"),
)


@pytest.mark.parametrize("name", UNUSUAL)
def test_files_of_these_networks_can_be_written_and_read(context, name):
    made = context(name)
    check_files(made, made.build_model().eval())


@pytest.mark.parametrize("name", ["Views", "TiedWeights", "Lazy"])
def test_so_can_files_that_keep_batch_norm(context, name):
    made = context(name, "storage.fold_bn=false")
    check_files(made, made.build_model().eval())


def test_values_outside_the_state_dict_are_refused(context):
    made = context("RandomConstant", "storage.fold_bn=false")
    with pytest.raises(InputError, match=r"RandomConstant computes other logits after it was written to model\.cmp"):
        check_files(made, made.build_model().eval())


def test_a_network_that_the_exporter_cannot_follow_is_refused(context):
    made = context("Branches", "strategy=oneshot_l1")
    with pytest.raises(InputError, match=r"^model user_nets\.Branches cannot be exported to ONNX: .*until=prune stops"):
        check_files(made, made.build_model().eval())


def test_a_tensor_of_an_unknown_type_is_refused(context):
    made = context("Views")
    model = made.build_model().eval()
    model.register_buffer("phase", torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(InputError, match=r"Views cannot be read again from model\.cmp: "):
        check_files(made, nn.Sequential(model))


def test_an_operation_that_the_exporter_mistakes_is_refused(context):
    made = context("ForcedDivisor", "strategy=oneshot_l1")
    with pytest.raises(InputError, match="ForcedDivisor cannot be exported to ONNX: its ONNX file computes other"):
        check_files(made, made.build_model().eval())
