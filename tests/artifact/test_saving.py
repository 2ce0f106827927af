import signal
import subprocess
import sys

import pytest
import torch
from full_disk import fill_disk
from integer_nets import plan_of, to_integers
from tiny_artifacts import INPUT, MOBILENET, assert_same_state, make_tiny, save_tiny
from torch import nn

from compression.artifact import load, read_contents, read_weights, save_artifact
from compression.core.errors import InputError
from compression.quantization.observers.min_max import MinMax
from compression.quantization.post_training import Calibration, Repairs, quantized
from compression.storage.codec_registry import CODECS


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    save_tiny(tmp_path / "a.cmp")
    save_tiny(tmp_path / "b.cmp")
    assert (tmp_path / "a.cmp").read_bytes() == (tmp_path / "b.cmp").read_bytes()


def test_the_codec_auto_is_smaller_than_single_codecs(tmp_path):
    sizes = {}
    for codec in ("auto", "dense", "bitmask"):
        path = tmp_path / f"{codec}.cmp"
        save_tiny(path, codec=codec)
        sizes[codec] = len(read_contents(path).payload)
        assert_same_state(read_contents(path).decode(), make_tiny().state_dict())
    assert sizes["auto"] < sizes["dense"]
    assert sizes["auto"] < sizes["bitmask"]


def test_folded_batch_norm_gives_the_same_logits_in_fewer_bytes(mobilenet, tmp_path):
    model, path = mobilenet[1], tmp_path / "folded.cmp"
    architecture = {"target": MOBILENET, "kwargs": {"width_mult": 0.02}, "num_classes": 3}
    save_artifact(path, model, architecture=architecture, class_names=["a", "b", "c"], input=INPUT, fold_bn=True)
    contents = read_contents(path)
    assert contents.card.architecture.folded
    assert not any("running" in name for name in contents.shapes)
    assert path.stat().st_size < mobilenet[0].stat().st_size
    images = torch.randn(4, 3, 16, 16)
    loaded = load(path)
    torch.testing.assert_close(loaded(images), model(images), rtol=1e-4, atol=1e-5)
    again = tmp_path / "again.cmp"
    zeros = sum(int((value == 0).sum()) for value in model.state_dict().values() if value.ndim > 1)
    assert sum(int((value == 0).sum()) for value in contents.decode().values() if value.ndim > 1) >= zeros
    # A folded network is no longer trainable, so its file cannot be read as weights or into a given model.
    for read in (lambda: read_weights(path), lambda: load(path, model=model)):
        with pytest.raises(InputError, match=r"has its batch norm folded.*storage\.fold_bn=false"):
            read()
    save_tiny(again, nn.Sequential(nn.Linear(3, 2)), fold_bn=True)
    assert not read_contents(again).card.architecture.folded


class Branching(nn.Module):
    def __init__(self, *, num_classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, num_classes)

    def forward(self, images):
        images = self.norm(images)
        return self.fc(images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3)))


def test_an_untraceable_network_keeps_its_batch_norm(tmp_path, caplog):
    model = Branching(num_classes=2)
    with caplog.at_level("INFO"):
        save_tiny(tmp_path / "model.cmp", model, fold_bn=True)
    assert "batch norm is not folded: " in caplog.text
    assert_same_state(read_contents(tmp_path / "model.cmp").decode(), model.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"codec": "zip"},
            f"storage.codec='zip' is unknown; allowed: auto, {', '.join(CODECS)}",
        ),
        (
            {"class_names": ["one"]},
            "class_names=['one']: must be 2 names",
        ),
        (
            {"info": {"x": {1, 2}}},
            "info and kwargs of an artifact must be JSON: Object of type set is not JSON serializable",
        ),
        (
            {"info": {"x": float("nan")}},
            "info and kwargs of an artifact must be JSON: Out of range float values",
        ),
    ],
)
def test_wrong_arguments_of_saving_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        save_tiny(tmp_path / "model.cmp", **changes)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "model.cmp").exists()


def test_a_full_disk_leaves_the_old_artifact(tmp_path, monkeypatch):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    other = make_tiny(seed=1)
    fill_disk(monkeypatch, after=100)
    with pytest.raises(OSError, match="No space left on device") as caught:
        save_tiny(path, other)
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert_same_state(read_contents(path).decode(), make_tiny().state_dict())
    assert list(tmp_path.iterdir()) == [path]


# tests/system/test_files.py tests this for files in general.
@pytest.mark.slow
def test_a_killed_write_leaves_the_old_artifact(tmp_path):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    before = path.read_bytes()
    script = (
        "import os, signal, sys\n"
        "from torch import nn\n"
        "from compression.artifact import save_artifact\n"
        "from compression.system import files\n"
        "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "for file in sys.argv[1:]:\n"
        "    writer = os.fork()\n"
        "    if writer == 0:\n"
        "        save_artifact(file, nn.Linear(3, 2), class_names=['a', 'b'],\n"
        "            architecture={'target': 'nowhere.Net', 'kwargs': {}, 'num_classes': 2},\n"
        "            input={'size': 8, 'mean': [0.5] * 3, 'std': [1.0] * 3})\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]))\n"
    )
    # One process imports PyTorch for both.
    command = [sys.executable, "-c", script, str(path), str(tmp_path / "new.cmp")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [int(code) for code in done.stdout.split()] == [-signal.SIGKILL] * 2
    assert path.read_bytes() == before
    assert not (tmp_path / "new.cmp").exists()


@pytest.mark.parametrize("activation_bits", [8, 32])
def test_scales_and_biases_on_grids_are_stored_in_a_byte_and_come_back(mobilenet, tmp_path, activation_bits):
    model, path = mobilenet[1], tmp_path / "priced.cmp"
    images = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made = quantized(
        model,
        plan_of(model, 8, activation_bits),
        Calibration(MinMax, MinMax, 1),
        [(images, torch.arange(16) % 3)],
        repairs=Repairs(rdoq_lambda=0.01, rdoq_batches=1),
    )
    network = to_integers(model, made.network, made.plan)
    architecture = {"target": MOBILENET, "kwargs": {"width_mult": 0.02}, "num_classes": 3}
    card = {"architecture": architecture, "class_names": ["a", "b", "c"], "input": INPUT}
    save_artifact(path, network, **card, plan=made.plan)
    roles = ("weight_scale", "bias")
    assert {block.dtype for block in read_contents(path).blocks if block.role in roles} == {torch.int8}
    loaded = load(path)
    assert_same_state(loaded.state_dict(), network.state_dict())
    again = tmp_path / "again.cmp"
    save_artifact(again, loaded, **card, plan=made.plan)
    assert again.read_bytes() == path.read_bytes()
