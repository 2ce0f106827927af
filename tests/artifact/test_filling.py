import shutil
import sys

import pytest
import torch
from tiny_artifacts import INPUT, MOBILENET, Tiny, assert_same_state, make_tiny, rewrite, save_tiny
from torch import nn

from compression.artifact import load, read_contents, save_artifact
from compression.core.errors import ArtifactError, InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.pruning.compaction import compact


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
