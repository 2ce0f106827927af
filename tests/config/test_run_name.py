import hashlib
import json
import re
import string

import pytest
from omegaconf import OmegaConf

from compression.config import run_name as module
from compression.config.run_name import run_name
from compression.core.errors import InputError


@pytest.fixture
def name_of(compose_config):
    def run(*overrides):
        return run_name(_root_=compose_config(*overrides))

    return run


@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("", "digits-mobilenet_v2-iterative_l1-s90-"),
        ("sparsity=0.5", "digits-mobilenet_v2-iterative_l1-s50-"),
        ("sparsity=0.55", "digits-mobilenet_v2-iterative_l1-s55-"),
        ("sparsity=0.999", "digits-mobilenet_v2-iterative_l1-s99.9-"),
        ("sparsity=0.7000000000000001", "digits-mobilenet_v2-iterative_l1-s70-"),
        ("strategy=none", "digits-mobilenet_v2-none-"),
        ("strategy=two_four model=resnet18 data=cifar10", "cifar10-resnet18-two_four-s50-"),
    ],
)
def test_the_name_describes_the_run(name_of, command, start):
    name = name_of(*command.split())
    assert name.startswith(start)
    assert re.fullmatch(r"[0-9a-f]{6}", name.removeprefix(start))


def test_equal_configurations_have_equal_names(name_of):
    assert name_of() == name_of()
    assert name_of("seed=1", "sparsity=0.5") == name_of("sparsity=0.5", "seed=1")
    assert name_of("sparsity=0.5") == name_of("sparsity=0.50")


@pytest.mark.parametrize(
    "same", ["overwrite=true", "output_dir=x", "store_max_bytes=5GiB", "hydra.verbose=true", "seed=42"]
)
def test_settings_that_do_not_affect_results_do_not_change_the_name(name_of, same):
    assert name_of(same) == name_of()


@pytest.mark.parametrize("same", ["until=evaluate", "until=analyze", "analysis=basic"])
def test_folders_from_before_the_analysis_keep_their_names(name_of, same):
    assert name_of(same) == name_of()


@pytest.mark.parametrize("other", ["until=export", "analysis=full", "analysis=none"])
def test_another_analysis_has_another_folder(name_of, other):
    assert name_of(other) != name_of()


def test_rounding_noise_does_not_change_the_name(name_of):
    """`range(0.5,0.9,0.2)` gives 0.7000000000000001."""
    assert name_of("sparsity=0.7000000000000001") == name_of("sparsity=0.7")


def test_every_other_setting_changes_the_name(name_of):
    commands = [
        "",
        "seed=1",
        "sparsity=0.5",
        "sparsity=0.51",
        "strategy=oneshot_l1",
        "strategy=iterative_random",
        "strategy=none",
        "strategy.schedule.steps=3",
        "strategy.recovery.lr_factor=0.1",
        "strategy.recovery.lr=0.1",
        "training=adam",
        "training.epochs=3",
        "training.optimizer.momentum=0.8",
        "model=resnet18",
        "model.width_mult=0.5",
        "+model.depth=3",
        "data=cifar10",
        "data.batch_size=32",
        "data.normalization=imagenet",
        "quantization.calibration_batch_size=9",
        "data.augment.crop_padding=0",
        "storage=dense",
        "runtime.repeats=7",
        "trainer=cpu",
        "callbacks=early_stopping",
        "callbacks=early_stopping callbacks.early_stopping.patience=3",
        "logger=csv",
        "threads=1",
        "until=dense",
    ]
    names = [name_of(*command.split()) for command in commands]
    assert len(set(names)) == len(commands)


def test_a_given_name_is_used_unchanged(name_of):
    assert name_of("name=my_run") == name_of("name=my_run", "seed=7") == "my_run"


def test_the_name_is_a_valid_folder_name_on_any_system(name_of):
    allowed = set(string.ascii_letters + string.digits + "._-=")
    for command in ("", "sparsity=0.123456789", "strategy=two_four"):
        assert set(name_of(*command.split())) <= allowed


def test_a_configuration_that_breaks_a_rule_gets_no_name(name_of):
    with pytest.raises(InputError, match=r"^sparsity=1.0: must be in"):
        name_of("sparsity=1.0")


def test_the_folder_of_a_run_has_its_name(compose_config, name_of):
    config = compose_config("seed=3", "output_dir=results")
    assert config.hydra.run.dir == f"results/{name_of('seed=3')}"
    assert config.hydra.sweep.dir == "results/sweep"


def test_register_can_be_called_again():
    module.register()
    module.register()
    assert OmegaConf.has_resolver("run_name")


@pytest.mark.parametrize("data", ["data=digits", "data=cifar10", "data=image_folder data.root=images"])
def test_later_keys_are_left_out_of_the_name_at_their_defaults(compose_config, data):
    config = compose_config(*data.split())
    before = module.digest(config)
    keys = [key for key in config if key != "hydra"]
    plain = OmegaConf.create(OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True))
    absent = []
    for key, default in module.LATER.items():
        *sections, name = key.split(".")
        section = OmegaConf.select(plain, ".".join(sections))
        if name in section:
            assert section.pop(name) == default, key
        else:
            absent.append(key)
    assert not [key for key in absent if "image_folder" in data or not key.startswith("data.")]
    assert module.digest(plain) == before
    assert module.digest(compose_config(*data.split(), "training.monitor=accuracy")) != before


def test_class_weights_of_numbers_and_words_have_a_name(compose_config):
    names = {
        module.digest(compose_config(f"training.class_weights={{{weights}}}"))
        for weights in ("7:2.0,cat:1.0", "cat:1.0,7:2.0", "7:1.0,cat:2.0")
    }
    assert len(names) == 2


def test_class_weights_of_numbers_keep_the_order_of_numbers_in_their_hash(compose_config):
    config = compose_config("training.class_weights={10:1.0,9:2.0}")
    text = json.dumps(module.collect_settings(config), sort_keys=True, default=str)
    assert '"class_weights": {"9": 2.0, "10": 1.0}' in text
    assert module.identify(config) == hashlib.sha256(text.encode()).hexdigest()
    assert module.digest(config) == module.identify(config)[:6]


@pytest.mark.parametrize("value", ["3", "null"])
def test_a_section_that_is_no_mapping_has_a_name_too(compose_config, value):
    # The data set refuses a wrong one, in one line.
    assert module.digest(compose_config("data=digits", f"data.augment={value}"))
