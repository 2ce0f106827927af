import torch

from compression.run.report.predictions_file import read_predictions, write_predictions


def test_what_is_written_is_read(tmp_path):
    test = {"dense": torch.rand(5, 3), "compressed": torch.rand(5, 3), "simulated": torch.rand(5, 3)}
    held_out = {"dense": torch.rand(2, 3), "compressed": torch.rand(2, 3)}
    labels = torch.tensor([0, 1, 2, 0, 1])
    path = tmp_path / "predictions.safetensors"
    write_predictions(path, test=(test, labels), held_out=(held_out, torch.tensor([0, 1])))
    # Of 10,000 images and 1,000 classes, each tensor has 40 MB.
    assert path.stat().st_size < 14 * 3 * 4 + 7 * 8 + 1000
    found = read_predictions(path, class_names=["a", "b", "c"])
    assert list(found.test) == list(found.held_out) == ["dense", "compressed"]
    assert torch.equal(torch.from_numpy(found.test["compressed"].logits), test["compressed"])
    assert torch.equal(torch.from_numpy(found.held_out["dense"].logits), held_out["dense"])
    assert found.test["dense"].labels.tolist() == [0, 1, 2, 0, 1]
    assert found.held_out["dense"].class_names == ("a", "b", "c")
