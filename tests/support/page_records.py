"""Invented records of runs and analyses for pages, with names that try to break out of HTML."""

import json
from pathlib import Path

from PIL import Image
from sweep_folders import make_metrics

EVIL = "<script>alert('x')</script>"
PICTURES = ("first_filters", "weight_histograms", "layer_sparsity")
FAILURE_PICTURES = (
    "per_class_accuracy",
    "per_class_change",
    "confusion_matrix_normalized",
    "confidence_distribution",
    "misclassified_examples",
    "flipped_examples",
)


def make_failures(names=("cat", "dog", EVIL), *, single=False):
    """Return a ``failure_modes.json`` document of two models, or of a single one."""

    def model(lost):
        classes = [
            {
                "name": name,
                "images": 100,
                "recall": 0.9 - lost - 0.01 * index,
                "low": 0.8 - lost,
                "high": 0.95,
                "precision": 0.9,
                "f1": 0.9,
            }
            for index, name in enumerate(names)
        ]
        ends = {key: classes[-1][key] for key in ("name", "recall", "low", "high")}
        return {
            "test_images": 100 * len(names),
            "accuracy": {"value": 0.9 - lost, "low": 0.85 - lost, "high": 0.93},
            "balanced_accuracy": {"value": 0.89 - lost, "low": 0.84 - lost, "high": 0.92},
            "macro_f1": 0.88,
            "best_class": {key: classes[0][key] for key in ("name", "recall", "low", "high")},
            "worst_class": ends,
            "classes": classes,
            "confusion_matrix": None,
            "top_confusions": [{"true": names[0], "predicted": names[-1], "count": 12, "share": 0.12}],
            "groups": {"within": 0.5, "between": 0.25, "outside": 0.25, "errors": 30, "members": {}},
            "confidence": {
                "right": 0.91,
                "wrong": 0.67,
                "errors": 30,
                "errors_above_0.9": 4,
                "ece": 0.031,
                "ece_scaled": 0.012,
                "temperature": 1.4,
                "bins": [],
            },
        }

    change = {
        "verdict": f"The loss of 2.00 points is more than chance; the class {names[-1]} loses most.",
        "accuracy": {"value": -0.02, "low": -0.04, "high": -0.005},
        "p_value": 0.0004,
        "worsened": 11,
        "improved": 5,
        "classes": [
            {
                "name": name,
                "images": 100,
                "change": -0.02,
                "low": -0.06,
                "high": 0.02,
                "p_value": 0.03,
                "p_corrected": 0.09,
                "worsened": 4,
                "improved": 2,
            }
            for name in names
        ],
        "confusions": [{"true": names[0], "predicted": names[-1], "dense": 3, "compressed": 9}],
        "groups": None,
    }
    models = {"dense": model(0.0), "compressed": model(0.02)}
    return {
        "schema_version": 1,
        "class_names": list(names),
        "models": {"model": models["compressed"]} if single else models,
        "change": None if single else change,
        "layers": [{"name": "features.0", "snr_db": 12.5}, {"name": "features.1", "snr_db": None}],
        "robustness": {"noise": {"1": {"dense": 0.9, "compressed": 0.88}, "2": {"dense": 0.8, "compressed": 0.7}}},
    }


def save_pictures(folder: Path, names) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.linear_gradient("L").resize((600 + 10 * number, 300)).save(folder / f"{name}.png")


def save_run(folder: Path, *, failures=True, **more) -> Path:
    """Write the records of a run into ``folder``: metrics, failure modes, configuration, epochs and pictures."""
    steps = [
        {
            "step": step,
            "update": 10 * step,
            "sparsity": 0.25 * step,
            "accuracy_before": 0.9 - 0.1 * step,
            "accuracy_after": 0.98 - 0.01 * step,
            "bytes": 2**20 // step,
        }
        for step in (1, 2, 3)
    ]
    metrics = make_metrics(history=steps, command=("train.py", "sparsity=0.9", f"data.root={EVIL}"), **more)
    metrics["run"] |= {"name": folder.name, "strategy": "gmp", "model": EVIL}
    metrics["compressed"]["bytes"] |= {
        "parts": {"values": 700_000, "indices": 200_000, "scales": 50_000, "header": 98_576},
        "formula": 600_000,
    }
    metrics["provenance"] |= {"machine": {"processor": "some", "cores": 2, "memory_bytes": 2**34}, "git_commit": "abc"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    epochs = [{"epoch": n, "val/accuracy": 0.5 + 0.1 * n, "val/loss": 1 / n, "train/loss": 2 / n} for n in (1, 2, 3, 4)]
    (folder / "training_history.json").write_text(json.dumps({"dense": epochs, "prune": epochs[:3]}))
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(f"name: '{EVIL}'\nsparsity: 0.9\n")
    save_pictures(folder / "pictures", PICTURES)
    if failures:
        save_pictures(folder / "failure_analysis", FAILURE_PICTURES)
        (folder / "failure_analysis" / "failure_modes.json").write_text(json.dumps(make_failures()))
    return folder
