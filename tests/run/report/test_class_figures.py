import pytest
import torch

from compression.run.report.class_figures import count_classes
from compression.run.report.predictions_file import write_predictions


def test_counts_scores_and_warnings_of_both_models(tmp_path):
    labels = torch.tensor([0, 0, 0, 1])
    right, constant = torch.eye(2)[labels], torch.eye(2)[[0, 0, 0, 0]]
    held_out = torch.tensor([0, 1])
    write_predictions(
        tmp_path / "predictions.safetensors",
        test=({"dense": right, "compressed": constant}, labels),
        held_out=({"dense": torch.eye(2), "compressed": torch.eye(2)[[0, 0]]}, held_out),
    )
    found = count_classes(tmp_path / "predictions.safetensors", class_names=("free", "fray"))
    assert found["dense"]["classes"] == {"free": [3, 3], "fray": [1, 1]}
    assert found["dense"]["scores"] == {"accuracy": 1, "balanced_accuracy": 1, "macro_f1": 1}
    assert found["dense"]["warnings"] == []
    compressed = found["compressed"]
    assert compressed["classes"] == {"free": [3, 3], "fray": [0, 1]}
    assert compressed["scores"]["accuracy"] == 0.75
    assert compressed["scores"]["balanced_accuracy"] == 0.5
    assert compressed["scores"]["macro_f1"] == pytest.approx((6 / 7 + 0) / 2)
    assert compressed["val_scores"]["balanced_accuracy"] == 0.5
    assert compressed["warnings"] == [
        "the compressed model has 0 % on class fray (0 of 1)",
        "the compressed model has 75.00 % accuracy, no better than always answering free (75.00 % of the test images)",
    ]
