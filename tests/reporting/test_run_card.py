"""The model card of a run, from a document whose numbers are known."""

import copy
from dataclasses import replace

import pytest
from msgspec import structs
from small_files import save_colours

from compression.artifact import read_contents
from compression.reporting.metrics import make_metrics
from compression.reporting.run_card import MOST_CLASSES, make_model_card

INFO = {"data": {"name": "pets", "fingerprint": "0123456789abcdef", "images": {"train": 900, "val": 100, "test": 360}}}
RUN = {
    "name": "pets-s90",
    "data": "compression.data.image_folder.ImageFolder",
    "data_settings": {"fingerprint": "0123456789abcdef" * 4},
    "strategy": "gmp",
    "seed": 42,
    "stages": {"dense": "aaaa", "prune": "bbbb"},
    "epochs": {"dense": 20},
    "val_accuracy": {"dense": 0.99, "prune": 0.97},
}
PROVENANCE = {
    "command": ["train.py", "strategy=gmp", "data.root=my images"],
    "git_commit": "abc123",
    "software": {"python": "3.11.1", "torch": "2.15.0", "numpy": "2.0"},
    "machine": {"processor": "Other", "system": "Linux"},
    "stages": {"evaluate": {"machine": {"processor": "Fast | CPU", "system": "Linux"}}},
}
PARTS = {"values": 2**19, "indices": 2**18, "tables": 0, "scales": 0, "biases": 0, "normalization": 0, "header": 2**18}


@pytest.fixture
def contents(tmp_path):
    save_colours(tmp_path / "model.cmp", names=["cat", "dog"], info=INFO)
    return read_contents(tmp_path / "model.cmp")


@pytest.fixture
def metrics(evaluated):
    compressed = evaluated["compressed"]
    compressed["bytes"] |= {"parts": PARTS, "formula": 2**19}
    compressed["accuracy_per_class"] = {"cat": 0.97, "dog": 0.96}
    evaluated["timing"]["left_out"] = {"sparse": "no C compiler"}
    made = make_metrics(run=RUN, evaluated=evaluated, stage_seconds={"dense": 2.5, "prune": 1.5}, provenance=PROVENANCE)
    return copy.deepcopy(made)


def test_the_card_states_the_facts(contents, metrics):
    card = make_model_card(contents, metrics)
    for line in [
        "# Model card: pets-s90",
        "| classes | cat, dog |",
        "| data set | `compression.data.image_folder.ImageFolder` |",
        "| held-out training images | 100 |",
        "## Accuracy on 360 test images",
        # Wilson's intervals of 353 and 347 of 360 images.
        "| accuracy (95 % interval) | 98.00 % (96.04 to 99.05) | 96.50 % (93.92 to 97.88) |",
        "| balanced accuracy | 98.00 % | 96.50 % |",
        "| worst class | dog, 96.00 % | dog, 96.00 % |",
        "| cat | 100.00 % | 97.00 % | -3.00 |",
        "| weights: values | 524,288 | 50.0 % |",
        "| eager | 1 | 5 (5 to 5) | 4 (4 to 4) | 1.25x faster (eager) |",
        # The machine that measured, with no meaning in a table.
        "Machine: Fast \\| CPU, 2 threads,",
        "python train.py strategy=gmp 'data.root=my images'",
        "| dense | `aaaa` | 20 | 99.00 % | 2.5 |",
        "- All numbers are of one seed (42). Another seed gives other numbers.",
        "- The engine sparse is left out: no C compiler.",
    ]:
        assert line in card.splitlines()
    assert "(8.00x smaller)." in card
    assert "Damaged images" in card


def test_a_larger_file_is_called_so(contents, metrics):
    metrics["dense"]["bytes"]["safetensors"] = 2**19
    assert "(2.00x larger)." in make_model_card(contents, metrics)


def test_the_card_of_a_grey_network(contents, metrics):
    assert "8x8 RGB pixels." in make_model_card(contents, metrics)
    grey = structs.replace(contents.card.input, channels=1, mean=[0.5], std=[0.5])
    contents = replace(contents, card=structs.replace(contents.card, input=grey))
    assert "8x8 grey pixels." in make_model_card(contents, metrics)


def test_the_worst_of_many_classes_are_shown(contents, metrics):
    names = [f"class {index}" for index in range(30)]
    for side in ("dense", "compressed"):
        metrics[side]["accuracy_per_class"] = {name: index / 30 for index, name in enumerate(names)} | {"none": None}
    card = make_model_card(contents, metrics)
    assert f"class, worst first (the worst {MOST_CLASSES} of 30)" in card
    assert "| class 19 |" in card
    assert "| class 20 |" not in card
    assert "| none |" not in card


def test_text_from_data_has_no_meaning_in_the_card(contents, metrics):
    for side in ("dense", "compressed"):
        metrics[side]["accuracy_per_class"] = {"<script>alert(1)</script>": 0.5, "a|b\nc": 1.0}
    card = make_model_card(contents, metrics)
    assert "<script>" not in card
    assert "| a\\|b c |" in card


def test_quantized_and_tested_models_have_other_limits(contents, metrics):
    metrics["quantization"] = {
        "arithmetic": "W8A8, executed in integers",
        "parity": {"engine": "onnxruntime", "agreement": 0.9975},
    }
    metrics["failure_modes"] = {
        "dense": {"balanced_accuracy": {"value": 0.98, "low": 0.9611, "high": 0.99}},
        "compressed": {"balanced_accuracy": {"value": 0.965, "low": 0.9422, "high": 0.98}},
        "change": {"verdict": "The difference is more than chance."},
        "layers": [{"name": "fc", "snr_db": 20.0}],
    }
    card = make_model_card(contents, metrics)
    assert "| balanced accuracy | 98.00 % (96.11 to 99.00) | 96.50 % (94.22 to 98.00) |" in card
    assert "\nThe difference is more than chance.\n" in card
    assert "| arithmetic | W8A8, executed in integers |" in card
    assert "simulation for 99.75 % of the test images" in card
    assert "| eager (simulation) | 1 |" in card
    assert "Damaged images" not in card
    assert "Other engines were not compared." in card


def test_the_card_says_what_was_tested(contents, metrics):
    parity = {"engine": "onnxruntime", "agreement": 0.9975, "sparse": {"agreement": 1.0}}
    metrics["quantization"] = {"arithmetic": "W8A8, executed in integers", "parity": parity}
    balanced = {"balanced_accuracy": {"value": 0.98, "low": 0.9611, "high": 0.99}}
    # A student has no layers to compare.
    metrics["failure_modes"] = {"dense": balanced, "compressed": balanced, "layers": None, "robustness": True}
    card = make_model_card(contents, metrics)
    assert "For the engine sparse it is 100.00 %; others were not compared." in card
    assert "Damaged images" not in card
    metrics["failure_modes"] |= {"robustness": False}
    assert "Damaged images" in make_model_card(contents, metrics)
