"""Stages that train, prune and quantize on another device than the CPU never mix tensors of the two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from composing import ROOT
from runs import TINY

SCRIPT = ROOT / "tests" / "support" / "simulated_gpu.py"
# Random crops draw from a generator of the device, which is not simulated. Export works on the CPU.
BASE = (*TINY, "training.epochs=1", "data.image_size=8", "data.augment.crop_padding=0", "until=quantize", "logger=csv")
RECOVERY = ("strategy.schedule.steps=2", "strategy.recovery.epochs=1")


def run_simulated(output_dir: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run_python(str(SCRIPT), *BASE, f"output_dir={output_dir}", *overrides)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    # In a separate process, because a device cannot be unregistered.
    path = os.pathsep.join([str(SCRIPT.parent), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command, env = [sys.executable, *arguments], {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_weights_are_pruned_and_quantized_on_another_device(tmp_path: Path) -> None:
    ended = run_simulated(tmp_path, "strategy=iterative_l1", "sparsity=0.5", *RECOVERY, "bits=8")
    assert ended.returncode == 0, ended.stderr
    assert {path.parent.name.split("-")[0] for path in tmp_path.glob("store/*/stage.json")} >= {"prune", "quantize"}


def test_a_tensor_on_the_wrong_device_is_refused() -> None:
    code = "from simulated_gpu import *\nwith SimulatedDevice():\n    torch.zeros(3, device=DEVICE) + torch.ones(3)"
    assert "aten.add.Tensor mixes tensors of simgpu:0 and of the CPU, [(3,)]" in run_python("-c", code).stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ("strategy=iterative_structured_l2", "sparsity=0.4", *RECOVERY, "+model.width=32"),
        ("strategy=taylor", "sparsity=0.4", "strategy.recovery.epochs=1", "+model.width=32"),
        ("strategy=rigl", "strategy.recovery.epochs=1"),
        ("strategy=lottery_ticket", *RECOVERY),
        ("strategy=layerwise_l1", "sensitivity.sparsities=[0.5,0.9]"),
        ("strategy=iterative_l1", *RECOVERY, "distillation=feature", "distillation.feature.kind=hint"),
        ("strategy=none", "bits=4", "quantization=qat", "quantization.training.epochs=1", "distillation=logit"),
        ("strategy=none", "bits=4", "quantization.adaround.iterations=5", "quantization.bias_correction_batches=2"),
        ("strategy=none", "weight_bits=4", "quantization.rdoq_lambda=0.1", "quantization.rdoq_batches=2"),
        ("strategy=none", "bits=8", "quantization.allocation.max_drop=5"),
    ],
    ids=lambda overrides: " ".join(overrides),
)
def test_every_kind_of_stage_stays_on_its_device(overrides: tuple[str, ...], tmp_path: Path) -> None:
    ended = run_simulated(tmp_path, *overrides)
    assert ended.returncode == 0, ended.stderr
