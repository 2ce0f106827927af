import random
import shutil
import signal
import struct
import subprocess
import sys

import pytest
import torch
from full_disk import fill_disk
from safetensors.torch import save_file
from torch import nn

import compression
from compression.artifact import load, load_artifact, read_contents, read_weights, save_artifact
from compression.core.container import PREFIX, read_container, write_container
from compression.core.errors import ArtifactError, InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.pruning.compaction import compact
from compression.storage.codec_registry import CODECS

MOBILENET = "compression.models.mobilenet_v2.mobilenet_v2"
INPUT = {"size": 8, "mean": [0.1, 0.2, 0.3], "std": [1.0, 0.5, 0.25], "channels": 3}


class Tiny(nn.Sequential):
    def __init__(self, *, num_classes, width=2):
        super().__init__(
            nn.Conv2d(3, width, 3),
            nn.BatchNorm2d(width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, num_classes),
        )


def make_tiny(seed=0, **kwargs):
    torch.manual_seed(seed)
    model = Tiny(num_classes=2, **kwargs)
    model(torch.randn(4, 3, 8, 8))
    with torch.no_grad():
        model[0].weight[:, 1:] = 0
    return model


def save_tiny(path, model=None, **changes):
    arguments = {
        "architecture": {"target": "nowhere.Tiny", "kwargs": {}, "num_classes": 2},
        "class_names": ["cat", "dog"],
        "input": INPUT,
        "info": {"strategy": "oneshot_l1", "sparsity": 0.6},
    } | changes
    return save_artifact(path, model or make_tiny(), **arguments)


def save_mobilenet(path, **kwargs):
    torch.manual_seed(0)
    model = mobilenet_v2(num_classes=3, width_mult=0.02, **kwargs)
    model(torch.randn(4, 3, 16, 16))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.9)
    save_artifact(
        path,
        model,
        architecture={"target": MOBILENET, "kwargs": {"width_mult": 0.02, **kwargs}, "num_classes": 3},
        class_names=["a", "b", "c"],
        input=INPUT,
    )
    return model.eval()


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("artifact") / "model.cmp"
    return path, save_mobilenet(path)


def rewrite(path, change):
    """Change the header of an artifact and write it back with valid checksums."""
    header, sections = read_container(path)
    change(header)
    path.write_bytes(write_container(header, sections=sections))


def assert_same_state(actual, expected):
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name], tensor), name


def test_a_built_in_network_is_loaded_as_it_was_saved(mobilenet):
    path, model = mobilenet
    loaded = load(path)
    assert_same_state(loaded.state_dict(), model.state_dict())
    assert int(loaded.features[0][1].num_batches_tracked) == 1
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    images = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))


def test_a_loaded_model_can_be_trained(mobilenet):
    loaded = load(mobilenet[0]).train()
    loaded(torch.randn(4, 3, 16, 16)).sum().backward()
    torch.optim.SGD(loaded.parameters(), lr=0.1).step()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_the_file_holds_card_and_blocks(tmp_path):
    path = tmp_path / "model.cmp"
    num_bytes = save_tiny(path, codec="bitmask")
    artifact = load_artifact(str(path), model=Tiny(num_classes=2))
    assert artifact.file_bytes == num_bytes == path.stat().st_size
    assert artifact.class_names == ("cat", "dog")
    assert artifact.image_size == 8
    assert artifact.mean == (0.1, 0.2, 0.3)
    assert artifact.std == (1.0, 0.5, 0.25)
    assert artifact.info == {"strategy": "oneshot_l1", "sparsity": 0.6}
    table = {block.names[0]: block for block in artifact.blocks}
    assert {name for block in artifact.blocks for name in block.names} == set(artifact.model.state_dict())
    # 18 of 54 weights are kept: 7 bytes for the mask and 72 bytes for the values.
    assert (table["0.weight"].codec, table["0.weight"].num_bytes) == ("bitmask", 79)
    # All of 2x2 weights are kept: 1 byte for the mask and 16 bytes for the values.
    assert (table["4.weight"].codec, table["4.weight"].num_bytes) == ("bitmask", 17)
    assert table["0.bias"].names == ("0.bias", "1.bias", "4.bias")


def test_a_given_model_is_filled_in_place(tmp_path):
    save_tiny(tmp_path / "model.cmp")
    model = Tiny(num_classes=2)
    weight = model[0].weight
    assert load(tmp_path / "model.cmp", model=model) is model
    assert model[0].weight is weight
    assert_same_state(model.state_dict(), make_tiny().state_dict())


def test_a_users_architecture_needs_allow(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, *, num_classes):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(3, num_classes)\n"
        "        self.register_buffer('computed', torch.arange(3.0), persistent=False)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "model.cmp"
    model = nn.Module()
    model.fc = nn.Linear(3, 2)
    save_tiny(path, model, architecture={"target": "my_nets.Net", "kwargs": {}, "num_classes": 2})
    with pytest.raises(InputError, match=r"^model my_nets.Net is not one of compression.models"):
        load(path)
    assert "my_nets" not in sys.modules
    before = torch.get_rng_state()
    loaded = load(path, allow=["my_nets"])
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_state(loaded.state_dict(), model.state_dict())
    assert loaded.computed.tolist() == [0, 1, 2]
    del sys.modules["my_nets"]


def test_computed_buffers_of_timm_models_are_rebuilt(tmp_path):
    pytest.importorskip("timm")
    from compression.models.timm_model import timm_model

    kwargs = {"name": "swin_tiny_patch4_window7_224", "img_size": 32, "depths": [1], "num_heads": [1]}
    kwargs |= {"embed_dim": 8, "window_size": 4}
    model = timm_model(num_classes=2, **kwargs).eval()
    path = tmp_path / "model.cmp"
    target = "compression.models.timm_model.timm_model"
    save_tiny(path, model, architecture={"target": target, "kwargs": kwargs, "num_classes": 2})
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(load(path)(images), model(images))


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


def test_the_header_is_compact(mobilenet):
    contents = read_contents(mobilenet[0])
    assert len(contents.shapes) == 314
    assert contents.file_bytes - len(contents.payload) < 1536


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


@pytest.mark.parametrize("codec", [pytest.param("auto", marks=pytest.mark.slow), "bitmask"])
def test_a_compacted_and_folded_network_computes_the_same(tmp_path, codec):
    kwargs, path = {"width_mult": 0.5}, tmp_path / "model.cmp"
    torch.manual_seed(0)
    whole = mobilenet_v2(num_classes=3, **kwargs)
    with torch.no_grad():
        for name, layer in whole.named_modules():
            if isinstance(layer, nn.BatchNorm2d):
                # Use the statistics of the images below. With others, the signal would vanish in so many layers.
                layer.momentum = 1.0
            if name.endswith(".conv.2") and isinstance(layer, nn.Conv2d):
                # The projection of a block reads only the first half of its channels.
                layer.weight[:, layer.in_channels // 2 :] = 0
        whole(torch.randn(8, 3, 16, 16))
    small = compact(whole.eval(), torch.zeros(2, 3, 16, 16), round_to=1).model
    architecture = {"target": MOBILENET, "kwargs": kwargs, "num_classes": 3, "compacted": True}
    save_artifact(
        path, small, architecture=architecture, class_names=["a", "b", "c"], input=INPUT, fold_bn=True, codec=codec
    )
    loaded, contents = load(path), read_contents(path)
    assert contents.card.architecture.compacted
    assert contents.card.architecture.folded
    assert contents.shapes["features.2.conv.0.0.weight"][0] == whole.features[2].conv[0][0].out_channels // 2
    assert not any("running" in name for name in contents.shapes)
    images = torch.randn(4, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), small(images), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(loaded(images), whole(images), rtol=1e-4, atol=1e-5)
        assert (loaded(images).std(dim=0) > 1e-3).all()


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


def test_every_flipped_byte_is_found(tmp_path):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    data = path.read_bytes()
    model = Tiny(num_classes=2)
    damaged_path = tmp_path / "damaged.cmp"
    for index in range(len(data)):
        damaged_path.write_bytes(data[:index] + bytes([data[index] ^ 0x10]) + data[index + 1 :])
        with pytest.raises(ArtifactError) as caught:
            load(damaged_path, model=model)
        assert str(caught.value).startswith(str(damaged_path))
        assert "\n" not in str(caught.value)


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    data = path.read_bytes()
    header_end = PREFIX.size + struct.unpack_from("<I", data, 12)[0]
    places = {0, 1, 8, PREFIX.size, header_end, header_end + 16, len(data) - 1}
    places |= set(random.Random(0).sample(range(len(data)), 50))
    for length in sorted(places):
        path.write_bytes(data[:length])
        with pytest.raises(ArtifactError, match=r"is truncated: has|is not an artifact"):
            load(path, model=Tiny(num_classes=2))


def test_files_that_are_not_artifacts_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        load(tmp_path / "nowhere.cmp")
    assert str(caught.value) == f"artifact {str(tmp_path / 'nowhere.cmp')!r} does not exist"
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path)
    other = tmp_path / "other.pt"
    torch.save({}, other)
    with pytest.raises(ArtifactError) as caught:
        load(other)
    assert str(caught.value) == (f"{other} is not an artifact of this package (or its first bytes are damaged)")


def test_a_file_of_another_architecture_is_refused(tmp_path):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    with pytest.raises(ArtifactError) as caught:
        load(path, model=make_tiny(width=4))
    assert str(caught.value) == (
        f"{path}: does not fit its architecture: 0.weight is float32 [2, 3, 3, 3] in the file and "
        "float32 [4, 3, 3, 3] in the model"
    )
    with pytest.raises(ArtifactError, match=r"0.weight is float32 .* in the file and float64"):
        load(path, model=Tiny(num_classes=2).double())
    with pytest.raises(ArtifactError, match=r"0.weight is float32 .* in the file and absent in the model"):
        load(path, model=nn.Identity())


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("architecture", {"kwargs": {"width_mult": 1e9}}, "width_mult=1000000000.0 is out of range"),
        ("architecture", {"kwargs": {"width_mult": "wide"}}, "cannot be stored|not supported"),
        ("architecture", {"kwargs": {"depth": 1}}, "unexpected keyword argument 'depth'"),
        ("architecture", {"kwargs": []}, "kwargs=.* must be a mapping"),
        ("architecture", {"kwargs": {"width_mult": 16}}, "does not fit its architecture"),
        ("architecture", {"target": "compression.models.nothing.nothing"}, "no module named"),
        ("architecture", {"target": 3}, "architecture.target=3: must be text"),
        ("architecture", {"num_classes": 0}, "num_classes=0"),
        ("architecture", {"num_classes": True}, "num_classes=True"),
        ("architecture", {"surprise": 1}, "architecture.surprise is not a known key"),
        ("input", {"size": 0}, "input.size=0: must be an integer >= 1"),
        ("input", {"std": [0, 1, 1]}, "std="),
        ("input", {"mean": [0.5]}, "mean=.* must have one number per channel, 3"),
        ("input", {"mean": "abc"}, "mean='abc': must be a list"),
        ("input", {"channels": 1}, "mean=.* must have one number per channel, 1"),
        ("input", {"channels": 2}, "channels=2"),
        ("input", {"channels": 1, "mean": [0.5], "std": [1]}, "damaged: a network of 3 channels for 1 of an image"),
        ("architecture", {"kwargs": {"in_channels": 1}}, "damaged: a network of 1 channels for 3 of an image"),
    ],
)
def test_hostile_headers_are_refused(mobilenet, tmp_path, part, changes, message):
    path = tmp_path / "model.cmp"
    shutil.copy(mobilenet[0], path)
    rewrite(path, lambda header: header[part].update(changes))
    with pytest.raises(ArtifactError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["architecture", "class_names", "input", "info", "tensors"])
def test_headers_with_missing_parts_are_refused(tmp_path, key):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    rewrite(path, lambda header: header.pop(key))
    with pytest.raises(ArtifactError):
        load(path, model=Tiny(num_classes=2))


def test_huge_declared_shapes_are_refused_before_allocation(mobilenet, tmp_path):
    path = tmp_path / "model.cmp"
    shutil.copy(mobilenet[0], path)
    rewrite(path, lambda header: header["tensors"]["shapes"].__setitem__(0, [1 << 40]))
    with pytest.raises(ArtifactError, match="does not fit its architecture"):
        load(path)
    with pytest.raises(ArtifactError, match="bytes of memory; allowed: max_bytes="):
        read_contents(path).decode()


def test_a_file_cannot_trigger_code_or_downloads(mobilenet, tmp_path, monkeypatch):
    from compression.models import imagenet

    path = tmp_path / "model.cmp"
    save_tiny(path, architecture={"target": "os.system", "kwargs": {}, "num_classes": 2})
    with pytest.raises(InputError, match=r"^model os.system is not one of compression.models"):
        load(path)

    shutil.copy(mobilenet[0], path)
    monkeypatch.setattr(imagenet, "_download", lambda _: pytest.fail("downloads"))
    rewrite(path, lambda header: header["architecture"]["kwargs"].update(pretrained=True))
    load(path)


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


def test_weights_are_read_from_every_kind_of_file(tmp_path):
    state = make_tiny().state_dict()
    save_tiny(tmp_path / "model.cmp")
    torch.save(state, tmp_path / "w.pt")
    torch.save({"state_dict": {f"net.{k}": v for k, v in state.items()}}, tmp_path / "w.ckpt")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("model.cmp", "w.pt", "w.ckpt", "w.safetensors"):
        assert_same_state(read_weights(tmp_path / name), state)
    with pytest.raises(InputError, match="does not exist"):
        read_weights("nowhere.pt")


def test_the_package_exports_its_interface():
    assert compression.load is load
    assert compression.load_artifact is load_artifact
    assert compression.InputError is InputError
    assert compression.__version__.count(".") >= 1
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        compression.nothing  # noqa: B018


@pytest.mark.slow
def test_loading_imports_no_training_code(mobilenet):
    script = (
        "import sys, compression\n"
        "assert 'torch' not in sys.modules\n"
        "model = compression.load(sys.argv[1])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'hydra', 'omegaconf', 'lightning', 'pytorch_lightning', 'timm', 'onnx'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(mobilenet[0])], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
