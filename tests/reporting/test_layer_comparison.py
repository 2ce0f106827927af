import pytest
import torch
from tiny_net import TinyNet

from compression.artifact import load_artifact, save_artifact
from compression.reporting.layer_comparison import compare_layers, worst_layers

IMAGES = [torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))]


def make(path, *, factor=1.0, fold=True, kwargs=None):
    torch.manual_seed(0)
    net = TinyNet(num_classes=3, **(kwargs or {})).eval()
    with torch.no_grad():
        net.features[1].running_var.fill_(2.0)
        net.classifier.weight.mul_(factor)
        net.classifier.bias.mul_(factor)
    save_artifact(
        path,
        net,
        architecture={"target": "tiny_net.TinyNet", "kwargs": kwargs or {}, "num_classes": 3},
        class_names=["a", "b", "c"],
        input={"size": 16, "mean": [0.0] * 3, "std": [1.0] * 3},
        fold_bn=fold,
    )
    return load_artifact(path, allow=["tiny_net"])


def test_batch_norm_is_folded_in_both(tmp_path):
    dense, compressed = make(tmp_path / "a.cmp", fold=False), make(tmp_path / "b.cmp", factor=0.9)
    rows = {row["name"]: row["snr_db"] for row in compare_layers(dense, compressed, IMAGES)}
    assert list(rows) == ["classifier", "features.0", "features.3"]
    assert rows["classifier"] == pytest.approx(20, abs=1e-3)
    # Folding only rounds: an error below a thousandth of a percent.
    assert all(rows[name] is None or rows[name] > 100 for name in ("features.0", "features.3"))


def test_other_architectures_are_not_compared(tmp_path):
    dense = make(tmp_path / "a.cmp")
    assert compare_layers(dense, make(tmp_path / "b.cmp", kwargs={"width": 16}), IMAGES) is None


def test_equalized_layers_are_not_compared(tmp_path):
    dense, compressed = make(tmp_path / "a.cmp"), make(tmp_path / "b.cmp", factor=0.9)
    rows = compare_layers(dense, compressed, IMAGES, equalized=["classifier"])
    assert {"name": "classifier", "snr_db": None, "reason": "equalization rescaled its channels"} in rows


def test_the_worst_layers():
    rows = [{"name": str(index), "snr_db": float(index)} for index in range(4)] + [{"name": "x", "snr_db": None}]
    assert [row["name"] for row in worst_layers(rows)] == ["0", "1", "2"]
    assert worst_layers(rows[-1:]) == []
    assert worst_layers(None) is None
