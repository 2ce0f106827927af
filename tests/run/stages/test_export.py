"""The written files hold one model and its description."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from runs import WIDE, compose_config

from compression.artifact import load_artifact, read_contents
from compression.core.file_facts import read_facts
from compression.run.context import make_context
from compression.run.pipeline import run_stages
from compression.run.stages.export import obtain_dense_export
from compression.runtimes.onnxruntime import OnnxRuntime
from compression.stage_store.planning import PlanningStore


@pytest.fixture
def exported(shared):
    return shared("strategy=none until=export")


def test_the_artifact_describes_its_model(exported):
    contents = read_contents(exported["export"].path / "model.cmp")
    info = contents.card.info
    assert list(contents.card.class_names) == [str(digit) for digit in range(10)]
    assert contents.card.input.size == 32
    assert (info["strategy"], info["sparsity"]) == ("none", 0)
    assert info["dense_bytes"] == (exported["dense"].path / "model.safetensors").stat().st_size
    assert "distillation" not in info


def test_the_artifact_notes_the_facts_that_are_known_at_export(exported):
    folder = exported["export"].path
    info = read_contents(folder / "model.cmp").card.info
    facts = read_facts(info, num_classes=10)
    assert facts.data.name == "digits"
    assert facts.data.images == {"train": 1293, "val": 144, "test": 360}
    assert exported["dense"].record["key"]["inputs"]["data"]["fingerprint"].startswith(facts.data.fingerprint)
    assert facts.seed == 42
    assert facts.stages == ["dense"]
    assert sum(facts.validation.images) == 144
    assert facts.validation.accuracy == pytest.approx(exported["export"].results["val_accuracy"])
    # No time and no machine: the same stages give the same bytes.
    known = {"strategy", "sparsity", "versions", "dense_bytes", "data", "seed", "stages", "validation"}
    assert set(info) == known


def test_the_artifact_and_the_onnx_file_compute_the_same(exported):
    folder = exported["export"].path
    images = torch.randn((4, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    model = load_artifact(folder / "model.cmp", allow=["tiny_net"]).model.eval()
    with torch.no_grad():
        expected = model(images).numpy()
    found = OnnxRuntime().load(folder / "model.onnx", threads=1)(images.numpy())
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_exported_network_is_validated(exported):
    assert exported["export"].results == {"val_accuracy": exported["dense"].results["val_accuracy"]}


def test_the_dense_export_depends_on_the_storage_and_not_on_the_strategy(outputs):
    def planned(*command):
        context = make_context(compose_config(*WIDE, *command, f"output_dir={outputs}"), outputs / "run")
        context = replace(context, store=PlanningStore(context.store))
        return obtain_dense_export(context, records)

    config = compose_config(*WIDE, "strategy=none", "until=export", f"output_dir={outputs}")
    _, records = run_stages(config, run_dir=outputs / "run")
    assert planned("strategy=oneshot_l1").path == records["export"].path
    assert not planned("strategy=oneshot_l1").planned
    assert planned("storage.codec=dense").planned
