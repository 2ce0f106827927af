import sys
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from compression.config import schema
from compression.config.schema import Config, require
from compression.core.errors import InputError

CONF = Path(__file__).parents[2] / "conf"

RANGES = {
    "sparsity=1.0": "sparsity=1.0: must be in [0, 1), e.g. 0.9",
    "sparsity=1": "sparsity=1.0: must be in [0, 1), e.g. 0.9",
    "sparsity=-0.1": "sparsity=-0.1: must be in [0, 1), e.g. 0.9",
    "sparsity=nan": "sparsity=nan: must be in [0, 1), e.g. 0.9",
    "sparsity=inf": "sparsity=inf: must be in [0, 1), e.g. 0.9",
    "seed=-1": "seed=-1: must be an integer >= 0",
    "threads=0": "threads=0: must be an integer >= 1, or null for all cores",
    "threads=-2": "threads=-2: must be an integer >= 1, or null for all cores",
    "until=report": "until=report: must be one of dense, distil, prune, compact, finetune, quantize, export, evaluate",
    "name=a/b": "name=a/b: must be a folder name: letters, digits and . _ - =",
    "name=..": "name=..: must be a folder name: letters, digits and . _ - =",
    "name=store": "name=store: must be another one: it is reserved, for the folder of finished stages",
    "name=''": "name=: must be a folder name: letters, digits and . _ - =",
    "training.epochs=0": "training.epochs=0: must be an integer >= 1",
    "training.optimizer.lr=0": "training.optimizer.lr=0: must be a number > 0",
    "training.optimizer.lr=-0.1": "training.optimizer.lr=-0.1: must be a number > 0",
    "training.min_lr=-1": "training.min_lr=-1.0: must be in [0, training.optimizer.lr=0.1]",
    "training.min_lr=1": "training.min_lr=1.0: must be in [0, training.optimizer.lr=0.1]",
    "training.warmup=1": "training.warmup=1.0: must be a fraction of all updates, in [0, 1)",
    "training.warmup=-0.1": "training.warmup=-0.1: must be a fraction of all updates, in [0, 1)",
    "training.label_smoothing=1": "training.label_smoothing=1.0: must be in [0, 1)",
    "training.gradient_clip=0": "training.gradient_clip=0.0: must be > 0, or null for none",
    "strategy.sparsity=1": "strategy.sparsity=1.0: must be in [0, 1)",
    "strategy.recovery.min_updates=-1": "strategy.recovery.min_updates=-1: must be an integer >= 0",
    "strategy.recovery.lr_factor=0": "strategy.recovery.lr_factor=0.0: must be in (0, 1]",
    "strategy.recovery.batch_norm_batches=-1": "strategy.recovery.batch_norm_batches=-1: must be an integer >= 0",
    "runtime.engines=[tpu]": "runtime.engines=tpu: must be among eager, onnxruntime, openvino",
    "runtime.batch_sizes=[1,0]": "runtime.batch_sizes=0: must be integers >= 1",
    "runtime.batch_sizes=[]": "runtime.batch_sizes=[]: must be one size at least",
    "weight_bits=1": "weight_bits=1: must be an integer in [2, 8], or 32 for off",
    "activation_bits=16": "activation_bits=16: must be an integer in [2, 8], or 32 for off",
    "bits=0": "weight_bits=0: must be an integer in [2, 8], or 32 for off",
    "quantization.calibration_batches=0": "quantization.calibration_batches=0: must be an integer >= 1",
    "quantization.batch_norm_batches=-1": "quantization.batch_norm_batches=-1: must be an integer >= 0; 0 is off",
    "quantization.equalize=yes_please": "quantization.equalize=yes_please: must be one of none, skip, replace",
    "bits=8 quantization.rdoq_lambda=-0.1": "quantization.rdoq_lambda=-0.1: must be a number >= 0; 0 is off",
    "bits=8 quantization.rdoq_lambda=nan": "quantization.rdoq_lambda=nan: must be a number >= 0; 0 is off",
    "bits=8 quantization.rdoq_lambda=inf": "quantization.rdoq_lambda=inf: must be a number >= 0; 0 is off",
    "bits=8 quantization.rdoq_batches=0": "quantization.rdoq_batches=0: must be an integer >= 1",
    "bits=8 quantization.layer_bits=[first]": "quantization.layer_bits=first: must be PATTERN:BITS or "
    "PATTERN:WEIGHT/ACTIVATION",
    "bits=8 quantization.layer_bits=[first:9]": "quantization.layer_bits=first:9: must be bits: an integer in [2, 8], "
    "or 32 for off",
    "quantization.allocation.choices=[4,8]": "quantization.allocation.choices=[4, 8]: must be falling, one at least",
    "quantization.allocation.max_drop=-1": "quantization.allocation.max_drop=-1.0: must be points >= 0, or null",
    "quantization=qat bits=8 quantization.training.epochs=0": "quantization.training.epochs=0: must be an integer >= 1",
    "runtime.warmup=-1": "runtime.warmup=-1: must be an integer >= 0",
    "runtime.repeats=0": "runtime.repeats=0: must be an integer >= 1",
    "trainer.accelerator=tpu": "trainer.accelerator=tpu: must be one of auto, cpu, cuda, mps",
    "trainer.precision=64": "trainer.precision=64: must be one of auto, 32-true, 16-mixed, bf16-mixed",
}

CONTRADICTIONS = {
    "strategy=none sparsity=0.5": "sparsity=0.5 contradicts strategy=none, whose sparsity is always 0.0: "
    "leave sparsity out, or choose another strategy",
    "strategy=two_four sparsity=0.9": "sparsity=0.9 contradicts strategy=two_four, whose sparsity is always 0.5: "
    "leave sparsity out, or choose another strategy",
    "strategy=two_four sparsity=0": "sparsity=0.0 contradicts strategy=two_four, whose sparsity is always 0.5: "
    "leave sparsity out, or choose another strategy",
    "quantization=none bits=8": "weight_bits=8 contradicts quantization=none: must be 32 (off), or quantization=ptq",
    "quantization=none activation_bits=8": "activation_bits=8 contradicts quantization=none: must be 32 (off), "
    "or quantization=ptq",
    "quantization=qat bits=8 quantization.equalize=skip": "quantization.equalize has no part in quantization=qat: "
    "must be ptq",
    "quantization=qat bits=8 quantization.rdoq_lambda=0.1": "quantization.rdoq_lambda has no part in quantization=qat: "
    "must be ptq or weight_only",
    "bits=8 quantization.rdoq_lambda=0.1 quantization.adaround.iterations=9": "quantization.rdoq_lambda=0.1 "
    "contradicts quantization.adaround, which rounds too: give one",
    "quantization.rdoq_lambda=0.1": "quantization.rdoq_lambda=0.1 rounds weights: weight_bits must be below 32, e.g. 8",
    "quantization=dynamic bits=8 quantization.bias_correction_batches=2": "quantization.bias_correction_batches has no "
    "part in quantization=dynamic: must be ptq or weight_only",
    "bits=8 quantization.training.epochs=9": "quantization.training has no part in quantization=ptq: must be qat",
    "bits=8 quantization.weights=min_max": "quantization.weights=min_max: choose it with a slash, "
    "quantization/weights=min_max",
    "quantization=weight_only bits=8": "activation_bits=8 contradicts quantization=weight_only: must be 32",
    "quantization=weight_only": "weight_bits=32 contradicts quantization=weight_only: must be an integer in [2, 8]",
    "quantization=dynamic weight_bits=8": "activation_bits=32 contradicts quantization=dynamic: must be an integer in "
    "[2, 8], e.g. bits=8",
    "quantization=qat": "weight_bits=32 contradicts quantization=qat: must be an integer in [2, 8], e.g. bits=8",
    "quantization.layer_bits=[first:8]": "quantization.layer_bits and allocation refine bits=...: weight_bits must be "
    "below 32",
    "bits=8 quantization.allocation.max_bytes=9 quantization.allocation.max_drop=1.0": "quantization.allocation."
    "max_bytes=9 contradicts quantization.allocation.max_drop=1.0: give one",
    "strategy.criterion=null": "strategy=iterative_l1: criterion not set; "
    "must have criterion, granularity, allocation, schedule",
    "strategy.schedule=null strategy.allocation=null": "strategy=iterative_l1: allocation, schedule not set; "
    "must have criterion, granularity, allocation, schedule",
}


@pytest.mark.parametrize("command", RANGES | CONTRADICTIONS)
def test_message_of(load, command):
    with pytest.raises(InputError) as caught:
        load(*command.split())
    assert str(caught.value) == (RANGES | CONTRADICTIONS)[command]


def test_sparsity_of_nothing_contradicts_a_strategy_that_prunes(load):
    for command in ("sparsity=0", "sparsity=0.0", "strategy=oneshot_random sparsity=0"):
        with pytest.raises(InputError, match=r"^sparsity=0(\.0)? contradicts strategy=\w+: must be above 0, or use"):
            load(*command.split())


@pytest.mark.parametrize(
    "command",
    [
        "strategy.sparsity=0",
        "strategy=none strategy.sparsity=0.5",
        "strategy=two_four strategy.sparsity=0.9",
        "strategy=two_four strategy.sparsity=0.9 sparsity=0.9",
    ],
)
def test_contradictions_in_the_strategys_own_sparsity(load, command):
    """The recipe's number must be what its masks will have, or the record of the run is false."""
    with pytest.raises(InputError, match=r"sparsity=0(\.\d)? contradicts strategy="):
        load(*command.split())


def test_an_engine_whose_package_is_missing(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    load("runtime.engines=[eager,onnxruntime]")
    with pytest.raises(InputError) as caught:
        load("runtime.engines=[eager,openvino]")
    assert str(caught.value) == 'openvino is not installed: pip install "compression[openvino]"'


def test_something_must_be_measured_with(load):
    with pytest.raises(InputError) as caught:
        load("runtime.engines=[]")
    assert str(caught.value) == "runtime.engines=[]: must be one engine at least"


@pytest.mark.parametrize("value", ["abc", "null", "[1]"])
def test_a_learning_rate_that_is_no_number(load, value):
    with pytest.raises(InputError, match=r"^training.optimizer.lr=.*: must be .*> 0$"):
        load(f"training.optimizer.lr={value}")


def test_defaults(load):
    config = load()
    assert config.sparsity is None
    assert config.target_sparsity == 0.9
    assert (config.seed, config.threads, config.until, config.overwrite) == (42, None, "evaluate", False)
    assert (config.bits, config.weight_bits, config.activation_bits) == (32, 32, 32)
    assert config.strategy.prunes
    assert isinstance(config, Config)


def test_plain_containers_and_numbers(load):
    """What goes into checkpoints and stage keys knows nothing of OmegaConf."""
    config = load("training=adamw")
    assert type(config.data) is type(config.model) is type(config.training.optimizer) is dict
    assert type(config.training.optimizer["betas"]) is list
    assert config.training.optimizer["lr"] == 0.001


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("sparsity=0.5", 0.5),
        ("sparsity=0.7000000000000001", 0.7),
        ("sparsity=null", 0.9),
        ("strategy.sparsity=0.8", 0.8),
        ("strategy=none", 0),
        ("strategy=none sparsity=0", 0),
        ("strategy=two_four", 0.5),
        ("strategy=two_four sparsity=0.5", 0.5),
        ("strategy=two_four sparsity=null", 0.5),
    ],
)
def test_target(load, command, target):
    assert load(*command.split()).target_sparsity == target


def test_none_prunes_nothing(load):
    assert not load("strategy=none").strategy.prunes
    assert load("strategy=two_four").strategy.prunes


@pytest.mark.parametrize("name", ["run", "run-1", "a.b_c=d", "1", "Läufe"])
def test_names(load, name):
    assert load(f"name='{name}'").name == name


def choices(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize(
    "override",
    [
        f"{group}={choice}"
        for group in (
            "data",
            "model",
            "training",
            "strategy",
            "distillation",
            "storage",
            "runtime",
            "trainer",
            "logger",
            "callbacks",
        )
        for choice in choices(group)
    ],
)
def test_every_choice_composes_and_passes(load, override):
    # What a user must fill in.
    given = {
        "data=image_folder": ["data.root=images"],
        "model=custom": ["model._target_=my.Net"],
        "model=timm": ["model.name=resnet10t"],
    }
    load(override, *given.get(override, []))


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_composes(load, experiment):
    load(f"experiment={experiment}", "data.root=images", "training.epochs=1")


def test_an_experiment_gives_way_to_the_command_line(load):
    config = load("experiment=cifar10_resnet18", "data.root=images", "training.epochs=3", "model=vgg11")
    assert config.training.epochs == 3
    assert config.model["_target_"] == "compression.models.vgg11.vgg11"
    assert load("experiment=cifar10_resnet18", "data.root=images").training.epochs == 8


def test_shorthand_for_bits(compose_config):
    assert compose_config("bits=8").weight_bits == 8
    assert compose_config("bits=8", "weight_bits=4").activation_bits == 8


def test_require():
    require(True, "key", 1, "anything")
    with pytest.raises(InputError, match=r"^key=1: must be 2$"):
        require(False, "key", 1, "2")


def test_registered_under_the_name_of_the_defaults_list():
    schema.register()
    assert "schema.yaml" in ConfigStore.instance().list("")
