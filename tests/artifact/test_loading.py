import subprocess
import sys

import pytest
import torch
from tiny_artifacts import Tiny, assert_same_state, make_tiny, save_tiny

import compression
from compression.artifact import load, load_artifact
from compression.core.errors import InputError


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
