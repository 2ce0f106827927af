"""Recipes of known studies: each composes, and holds the study's own settings."""

import pytest
from composing import CONF, compose_fully
from runs import compose_config

PAIRS = {
    "oneshot_l1_50": ("oneshot_l1", 0.5),
    "oneshot_l1_90": ("oneshot_l1", 0.9),
    "oneshot_random_90": ("oneshot_random", 0.9),
    "iterative_l1_90": ("iterative_l1", 0.9),
    "iterative_structured_l2_90": ("iterative_structured_l2", 0.9),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_of_study_a_has_its_strategy_and_sparsity(pair):
    config = compose_config(f"experiment=study_a_{pair}")
    assert (config.strategy.name, config.target_sparsity) == PAIRS[pair]
    assert (config.data["batch_size"], config.data["normalization"]) == (64, "cifar10_alt")
    assert config.model["pretrained"]


def test_study_a_fine_tunes_the_network_that_is_left_of_its_channels():
    strategy = compose_config("experiment=study_a_iterative_structured_l2_90").strategy
    assert (strategy.schedule["steps"], strategy.finetune.epochs) == (5, 8)


def test_the_sweep_of_study_a_has_every_pair():
    swept = compose_fully("+sweep=study_a").hydra.sweeper.params.experiment
    assert sorted(swept.split(",")) == sorted(f"study_a_{pair}" for pair in PAIRS)


def test_study_b_has_its_schedule():
    config = compose_config("experiment=study_b", "sparsity=0.7", "weight_bits=6", "activation_bits=8")
    assert (config.training.epochs, config.training.optimizer["lr"], config.training.min_lr) == (200, 0.1, 1e-4)
    assert (config.data["batch_size"], config.data["augment"]["colour_jitter"]) == (128, 0.2)
    strategy = config.strategy
    assert (strategy.schedule["steps"], strategy.recovery.epochs, strategy.recovery.lr) == (10, 5, 0.001)
    assert (strategy.max_accuracy_drop, config.quantization.calibration_batches) == (5.0, 100)


def test_study_c_has_its_stages():
    config = compose_config("experiment=study_c")
    assert (config.training.epochs, config.training.optimizer["lr"], config.data["batch_size"]) == (8, 1e-3, 1024)
    assert (config.distillation.epochs, config.distillation.temperature) == (10, 4.0)
    assert (config.target_sparsity, config.strategy.recovery.epochs, config.strategy.recovery.lr) == (0.4, 5, 1e-4)
    assert (config.quantization.name, config.weight_bits, config.activation_bits) == ("dynamic", 8, 8)


def test_studies_d_and_e_have_their_strategies():
    for part, strategy, sparsity in (("weights", "layerwise_l1", 0.9), ("channels", "layerwise_structured_l1", 0.5)):
        vgg = compose_config(f"experiment=study_d_{part}")
        assert (vgg.strategy.name, vgg.target_sparsity, vgg.model["pretrained"]) == (strategy, sparsity, True)
    again = compose_config("experiment=study_e", "sparsity=0.5")
    assert (again.seed, again.target_sparsity) == (42, 0.5)


@pytest.mark.parametrize("study", ["study_b_record", "study_e_record"])
def test_records_of_mobilenet_v2_start_from_one_dense_network(study):
    config = compose_config(f"experiment={study}", "data.root=images", "sparsity=0.9")
    assert (config.strategy.name, config.model["stem"], config.model["pretrained"]) == ("iterative_l1", "cifar", False)
    assert config.model["weights"] == "experiments/studies/dense/mobilenet_v2_longer.safetensors"


def test_records_of_studies_b_and_e_share_a_pruning():
    strategies = [
        compose_config(f"experiment=study_{letter}_record", "data.root=images", "sparsity=0.9").strategy
        for letter in "be"
    ]
    assert strategies[0] == strategies[1]


def test_the_control_trains_the_dense_network_as_long_as_its_pruning():
    control = compose_config("experiment=study_control", "data.root=images")
    pruned = compose_config("experiment=study_b_record", "data.root=images", "sparsity=0.9")
    assert control.training.fine_tune
    assert control.model == pruned.model
    assert control.data == pruned.data
    assert control.training.epochs == pruned.strategy.schedule["steps"] * pruned.strategy.recovery.epochs
    assert control.training.optimizer["lr"] == pruned.strategy.recovery.lr


def test_the_record_of_study_a_has_the_pairs_of_the_study():
    ours = compose_fully("+sweep=study_a_record", "data.root=images")
    assert ours.hydra.sweeper.params == compose_fully("+sweep=study_a").hydra.sweeper.params
    assert ours.data._target_ == "compression.data.image_folder.ImageFolder"
    assert ours.model.weights == "experiments/studies/dense/mobilenet_v2_longer.safetensors"


def test_the_record_of_study_c_differs_from_it_where_it_says():
    config = compose_config("experiment=study_c_record", "data.root=images")
    assert (config.distillation.student["width_mult"], config.distillation.inherit_weights) == (0.75, True)
    assert (config.target_sparsity, config.quantization.name, config.data["stem"]) == (0.4, "ptq", "light")


def test_all_records_train_their_dense_networks_alike():
    studies = ("study_dense", "study_b_record", "study_c_record", "study_e_record")
    trainings = [compose_config(f"experiment={study}", "data.root=images").training for study in studies]
    assert all(training == trainings[0] for training in trainings)
    assert (trainings[0].epochs, trainings[0].first_size) == (24, 0.5)
    # Study D's network leaves less than a pixel of an image of half the size, so its epochs are full ones, and fewer.
    ours = compose_config("experiment=study_d_weights", "+sweep=study_d_record", "data.root=images")
    assert (ours.model["stem"], ours.training.epochs, ours.training.first_size) == ("imagenet", 20, 1.0)
    assert ours.training.optimizer == trainings[0].optimizer


@pytest.mark.parametrize("study", ["study_b_record", "study_c_record", "study_dense", "study_control", "study_small"])
def test_records_say_how_they_train_and_what_they_time(study):
    config = compose_config(f"experiment={study}", "data.root=images")
    assert (config.threads, config.trainer.precision) == (2, "32-true")
    assert config.runtime.engines == ["onnxruntime", "openvino", "sparse"]


@pytest.mark.parametrize("study", ["study_a", "study_b", "study_d", "study_e"])
def test_a_study_of_several_points_and_its_record_are_one_sweep_over_the_same_points(study):
    known, ours = (compose_fully(f"+sweep={study}{end}").hydra for end in ("", "_record"))
    assert known.mode.name == ours.mode.name == "MULTIRUN"
    assert known.sweeper.params == ours.sweeper.params
    pairs = known.sweeper.params.get("experiment")
    assert all((CONF / "experiment" / f"{pair}.yaml").is_file() for pair in (pairs.split(",") if pairs else []))


def test_the_dense_network_is_trained_on_with_its_own_recipe():
    first, longer = (
        compose_config(f"experiment={study}", "data.root=images") for study in ("study_dense", "study_dense_longer")
    )
    assert longer.model == first.model
    assert (longer.training.fine_tune, longer.data["augment"]["cutout"]) == (True, 8)


def test_the_smallest_file_is_trained_as_its_control():
    small, control = (
        compose_config(f"experiment=study_{name}", "data.root=images") for name in ("small", "dense_longer")
    )
    assert small.data == control.data
    assert small.training.optimizer["weight_decay"] == control.training.optimizer["weight_decay"]
    assert small.training.label_smoothing == control.training.label_smoothing
    recovery = small.strategy.recovery
    found = (recovery.epochs, recovery.lr, recovery.warmup)
    assert found == (control.training.epochs, control.training.optimizer["lr"], control.training.warmup)
