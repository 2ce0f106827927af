"""Networks that users write, from training to the files: pruned, in 8 bits, opened by another process."""

import json
import os
import subprocess
import sys

import pytest
from runs import run_here

from compression.core.errors import InputError

SHORT = (
    *("training.epochs=1", "strategy=oneshot_l1", "strategy.recovery.epochs=1", "strategy.recovery.min_updates=0"),
    *("bits=8", "threads=1", "runtime.engines=[eager,onnxruntime]", "runtime.batch_sizes=[1]", "runtime.repeats=1"),
    *("runtime.warmup=0", "runtime.peak_memory=false", "analysis=none", "until=evaluate"),
)
READ = """
import sys
import torch
import compression
model = compression.load(sys.argv[1], allow=["user_nets"])
images = torch.zeros(3, 3, 32, 32).contiguous(memory_format=torch.channels_last)
print(list(model(images).shape))
"""


def run(name, tmp_path, *more):
    command = ("model=custom", f"model._target_=user_nets.{name}", *SHORT, *more)
    run_here(*command, run_dir=tmp_path / "run", output_dir=tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    read = [sys.executable, "-c", READ, str(tmp_path / "run" / "model.cmp")]
    done = subprocess.run(read, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[3, 10]"
    return metrics


@pytest.mark.parametrize(
    "name",
    [
        "TwoNames",
        "Unused",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                *("Views", "TiedWeights", "TupleOutput", "DictOutput", "AuxiliaryLogits", "Lazy", "Doubles"),
                *("Versioned", "Functional", "Splits", "ReadsConstant"),
            )
        ),
    ],
)
def test_a_network_that_works_reaches_its_files(name, tmp_path):
    metrics = run(name, tmp_path)
    assert metrics["compressed"]["sparsity"] == pytest.approx(0.9, abs=0.01)
    assert metrics["quantization"]["parity"]["agreement"] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Views", "TiedWeights", "AuxiliaryLogits", "Lazy"])
def test_so_does_one_that_keeps_float_weights_and_batch_norm(name, tmp_path):
    metrics = run(name, tmp_path, "bits=32", "storage.fold_bn=false")
    assert metrics["compressed"]["sparsity"] == pytest.approx(0.9, abs=0.01)


def test_a_network_that_cannot_be_exported_is_refused_before_training(tmp_path):
    with pytest.raises(InputError, match=r"^model user_nets.Branches cannot be exported to ONNX: .*until=prune stops"):
        run("Branches", tmp_path, "bits=32")
    assert not (tmp_path / "store").exists()
