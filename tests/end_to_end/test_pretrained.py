"""The pretrained recipes of the known studies, from a file as torchvision publishes it."""

from pathlib import Path

import pytest
import torch
from coloured_folders import save_folder
from runs import run_here
from safetensors.torch import load_file
from torch import nn
from torchvision import models
from torchvision.models.vgg import cfgs, make_layers


def make_vgg11() -> nn.Module:
    """Return a VGG-11 with its features and, in place of the published head, a small one."""
    layers = {"features": make_layers(cfgs["A"], batch_norm=True), "classifier": nn.Linear(2, 1000)}
    return nn.ModuleDict(layers)


PUBLISHED = {
    "study_a_oneshot_l1_50": (models.mobilenet_v2, models.MobileNet_V2_Weights.IMAGENET1K_V2),
    "study_d_weights": (make_vgg11, models.VGG11_BN_Weights.IMAGENET1K_V1),
}


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_a_pretrained_recipe_trains_from_the_file_of_torchvision(tmp_path, monkeypatch, recipe):
    make, weights = PUBLISHED[recipe]
    torch.manual_seed(1)
    published = make().state_dict()
    cached = tmp_path / "hub" / "checkpoints" / Path(weights.url).name
    cached.parent.mkdir(parents=True)
    torch.save(published, cached)
    # Where torch looks before it downloads.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    images = save_folder(tmp_path / "images", {"red": 12, "green": 12})
    small = (f"data.root={images}", "data.image_size=32", "data.normalization=null", "data.batch_size=8")
    # At this rate, training leaves the weights as they were.
    still = ("training.epochs=1", "training.optimizer.lr=1e-12", "training.min_lr=1e-12", "until=dense", "threads=1")
    run_here(f"experiment={recipe}", "data=image_folder", *small, *still, run_dir=tmp_path / "run", output_dir=tmp_path)
    [trained] = (tmp_path / "store").glob("dense-*/model.safetensors")
    found = load_file(trained)
    body = [key for key in published if not key.startswith("classifier") and published[key].ndim > 1]
    assert len(body) > 5
    assert all(torch.allclose(found[key], published[key], atol=1e-6) for key in body)
    assert found["classifier.1.weight" if recipe.startswith("study_a") else "classifier.weight"].shape[0] == 2
