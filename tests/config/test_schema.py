"""The schema of a run, its strategy and its sensitivity: allowed values, contradictions and choices."""

import sys
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from compression.config import schema
from compression.config.schema import STAGES, Config
from compression.core.errors import InputError

CONF = Path(__file__).parents[2] / "conf"

RANGES = {
    "sparsity=1.0": "sparsity=1.0: must be in [0, 1), e.g. 0.9",
    "sparsity=1": "sparsity=1.0: must be in [0, 1), e.g. 0.9",
    "sparsity=-0.1": "sparsity=-0.1: must be in [0, 1), e.g. 0.9",
    "sparsity=nan": "sparsity=nan: must be in [0, 1), e.g. 0.9",
    "sparsity=inf": "sparsity=inf: must be in [0, 1), e.g. 0.9",
    "seed=-1": "seed=-1: must be an integer in [0, 9223372036854775807]",
    "seed=9223372036854775808": "seed=9223372036854775808: must be an integer in [0, 9223372036854775807]",
    "sparsity=1e-12": "sparsity=1e-12 is rounded to 9 digits: must be in [1e-09, 0.999999999]",
    "sparsity=0.9999999999": "sparsity=0.9999999999 is rounded to 9 digits: must be in [1e-09, 0.999999999]",
    "strategy.sparsity=4e-10": "strategy.sparsity=4e-10 is rounded to 9 digits: must be in [1e-09, 0.999999999]",
    "threads=0": "threads=0: must be an integer >= 1, or null for all cores",
    "threads=-2": "threads=-2: must be an integer >= 1, or null for all cores",
    "until=report": f"until=report: must be one of {', '.join(STAGES)}",
    "analysis=all": "analysis=all: must be one of basic, full, none",
    "name=a/b": "name=a/b: must be a folder name: letters, digits and . _ - =",
    "name=..": "name=..: must be a folder name: letters, digits and . _ - =",
    "name=store": "name=store: must be another one: it is reserved, for a folder of all runs",
    "name=''": "name=: must be a folder name: letters, digits and . _ - =",
    "training.epochs=0": "training.epochs=0: must be an integer >= 1",
    "training.optimizer.lr=0": "training.optimizer.lr=0: must be a number > 0",
    "training.optimizer.lr=-0.1": "training.optimizer.lr=-0.1: must be a number > 0",
    "training.min_lr=-1": "training.min_lr=-1.0: must be in [0, training.optimizer.lr=0.2]",
    "training.min_lr=1": "training.min_lr=1.0: must be in [0, training.optimizer.lr=0.2]",
    "training.warmup=1": "training.warmup=1.0: must be a fraction of all updates, in [0, 1)",
    "training.warmup=-0.1": "training.warmup=-0.1: must be a fraction of all updates, in [0, 1)",
    "training.label_smoothing=1": "training.label_smoothing=1.0: must be in [0, 1)",
    "training.gradient_clip=0": "training.gradient_clip=0.0: must be > 0, or null for none",
    "strategy.sparsity=1": "strategy.sparsity=1.0: must be in [0, 1)",
    "strategy.recovery.min_updates=-1": "strategy.recovery.min_updates=-1: must be an integer >= 0",
    "strategy.recovery.lr_factor=0": "strategy.recovery.lr_factor=0.0: must be in (0, 1]",
    "strategy.recovery.batch_norm_batches=-1": "strategy.recovery.batch_norm_batches=-1: must be an integer >= 0",
    "runtime.engines=[tpu]": "runtime.engines=tpu: must be among auto, eager, onnxruntime, sparse, openvino",
    "runtime.batch_sizes=[1,0]": "runtime.batch_sizes=0: must be integers >= 1",
    "runtime.batch_sizes=[]": "runtime.batch_sizes=[]: must be one size at least",
    "runtime.warmup=-1": "runtime.warmup=-1: must be an integer >= 0",
    "runtime.repeats=0": "runtime.repeats=0: must be an integer >= 1",
    "trainer.accelerator=tpu": "trainer.accelerator=tpu: must be one of auto, cpu, cuda, mps",
    "trainer.precision=64": "trainer.precision=64: must be one of auto, 32-true, 16-mixed, bf16-mixed",
    "training.early_epoch=0": "training.early_epoch=0: must be in [1, training.epochs=12]",
    "training.early_epoch=21": "training.early_epoch=21: must be in [1, training.epochs=12]",
    "distillation=logit distillation/student=mobilenet_v2 distillation.epochs=3 training.early_epoch=4": "training."
    "early_epoch=4 is after the last of the student's epochs: must be in [1, 3]",
    "training.epochs=3 training.early_epoch=4": "training.early_epoch=4: must be in [1, training.epochs=3]",
    "strategy.target=layers": "strategy.target=layers: must be one of weights, channels, params, macs, latency",
    "strategy.start=late": "strategy.start=late: must be one of dense, initial, early",
    "strategy.protect=[middle]": "strategy.protect=middle: must be among first, last",
    "strategy.protect=[first,middle]": "strategy.protect=middle: must be among first, last",
    "strategy.max_accuracy_drop=-1": "strategy.max_accuracy_drop=-1.0: must be a number of points >= 0, or null",
    "strategy.max_accuracy_drop=nan": "strategy.max_accuracy_drop=nan: must be a number of points >= 0, or null",
    "strategy.recovery.epochs=-1": "strategy.recovery.epochs=-1: must be an integer >= 0, "
    "or null for as many as dense training",
    "strategy.recovery.warmup=1": "strategy.recovery.warmup=1.0: must be a fraction of each training, in [0, 1)",
    "strategy.recovery.lead_epochs=-1": "strategy.recovery.lead_epochs=-1: must be an integer >= 0",
    "strategy.recovery.spread=1": "strategy.recovery.spread=1.0: must be a fraction of the training, in [0, 1), "
    "or null for a training after each step",
    "strategy.recovery.spread=-0.5": "strategy.recovery.spread=-0.5: must be a fraction of the training, in [0, 1), "
    "or null for a training after each step",
    "strategy.recovery.rewind=late": "strategy.recovery.rewind=late: must be one of none, initial, early",
    "strategy.recovery.batch_norm_l1=-1": "strategy.recovery.batch_norm_l1=-1.0: must be a number >= 0",
    "strategy.recovery.batch_norm_l1=nan": "strategy.recovery.batch_norm_l1=nan: must be a number >= 0",
    "strategy.finetune.epochs=-1": "strategy.finetune.epochs=-1: must be an integer >= 0; 0 is off",
    "strategy.finetune.lr_factor=0": "strategy.finetune.lr_factor=0.0: must be in (0, 1]",
    "strategy.finetune.lr_factor=2": "strategy.finetune.lr_factor=2.0: must be in (0, 1]",
    "sensitivity.sparsities=[]": "sensitivity.sparsities=[]: must be rising, one at least",
    "sensitivity.sparsities=[0.5,0.3]": "sensitivity.sparsities=[0.5, 0.3]: must be rising, one at least",
    "sensitivity.sparsities=[0.5,0.5]": "sensitivity.sparsities=[0.5, 0.5]: must be rising, one at least",
    "sensitivity.sparsities=[0,0.5]": "sensitivity.sparsities=0.0: must be in (0, 1)",
    "sensitivity.sparsities=[0.5,1]": "sensitivity.sparsities=1.0: must be in (0, 1)",
    "sensitivity.images=0": "sensitivity.images=0: must be an integer >= 1",
}

REWINDS = "needs a training after each step: must be none with strategy.regrowth or strategy.recovery.spread"
DROPS = "needs a training after each step: must be null with strategy.recovery.spread or strategy.recovery.epochs=0"
FINETUNES = (
    "it trains the network whose channels were removed, and would bring single weights back; "
    "use strategy.recovery.epochs"
)
CONTRADICTIONS = {
    "strategy=none sparsity=0.5": "sparsity=0.5 contradicts strategy=none, whose sparsity is always 0.0: "
    "leave sparsity out, or choose another strategy",
    "strategy=two_four sparsity=0.9": "sparsity=0.9 contradicts strategy=two_four, whose sparsity is always 0.5: "
    "leave sparsity out, or choose another strategy",
    "strategy=two_four sparsity=0": "sparsity=0.0 contradicts strategy=two_four, whose sparsity is always 0.5: "
    "leave sparsity out, or choose another strategy",
    "analysis=full until=evaluate": "analysis=full contradicts until=evaluate, which ends before it: use until=analyze",
    "analysis=full until=prune": "analysis=full contradicts until=prune, which ends before it: use until=analyze",
    "strategy.criterion=null": "strategy=iterative_l1: criterion not set; "
    "must have criterion, granularity, allocation, schedule",
    "strategy.schedule=null strategy.allocation=null": "strategy=iterative_l1: allocation, schedule not set; "
    "must have criterion, granularity, allocation, schedule",
    "strategy=rigl strategy.target=channels": "strategy.regrowth contradicts strategy.target=channels: must be weights",
    "strategy=set strategy.target=macs": "strategy.regrowth contradicts strategy.target=macs: must be weights",
    "strategy.target=macs strategy.finetune.epochs=1": f"strategy.finetune.epochs=1 contradicts strategy=iterative_l1: "
    f"{FINETUNES}",
    "strategy=rigl strategy.recovery.rewind=early": f"strategy.recovery.rewind=early {REWINDS}",
    "strategy=gmp strategy.recovery.rewind=initial": f"strategy.recovery.rewind=initial {REWINDS}",
    "strategy=lottery_ticket strategy.recovery.spread=0.5": f"strategy.recovery.rewind=early {REWINDS}",
    "strategy=gmp strategy.max_accuracy_drop=1": f"strategy.max_accuracy_drop=1.0 {DROPS}",
    "strategy.recovery.epochs=0 strategy.max_accuracy_drop=1": f"strategy.max_accuracy_drop=1.0 {DROPS}",
    "strategy=lottery_ticket strategy.recovery.epochs=0": "strategy.recovery.epochs=0 contradicts "
    "strategy=lottery_ticket, which must train: give more",
    "strategy=rigl strategy.recovery.epochs=0": "strategy.recovery.epochs=0 contradicts strategy=rigl, which must "
    "train: give more",
    "strategy.finetune.epochs=2": f"strategy.finetune.epochs=2 contradicts strategy=iterative_l1: {FINETUNES}",
    "strategy=two_four strategy.finetune.epochs=1": f"strategy.finetune.epochs=1 contradicts strategy=two_four: "
    f"{FINETUNES}",
    "strategy=taylor strategy.compact=false strategy.finetune.epochs=1": "strategy.finetune.epochs=1 contradicts "
    f"strategy=taylor: {FINETUNES}",
}


# These commands are refused for the same reason as another value of the same key.
AGAIN = (
    *("sparsity=1", "sparsity=inf", "threads=-2", "name=..", "training.optimizer.lr=-0.1", "training.warmup=-0.1"),
    *("training.early_epoch=0", "strategy.protect=[middle]", "strategy.recovery.spread=1"),
    *("strategy.recovery.batch_norm_l1=-1", "strategy.max_accuracy_drop=-1", "strategy.finetune.lr_factor=2"),
    *("sensitivity.sparsities=[0.5,0.3]", "sensitivity.sparsities=[0,0.5]", "training.min_lr=-1"),
    *("strategy=gmp strategy.recovery.rewind=initial", "strategy=rigl strategy.recovery.epochs=0"),
    *("strategy=two_four strategy.finetune.epochs=1", "strategy.sparsity=4e-10", "analysis=full until=prune"),
)


@pytest.mark.parametrize(
    "command", [pytest.param(one, marks=pytest.mark.slow) if one in AGAIN else one for one in RANGES | CONTRADICTIONS]
)
def test_message_of(load, command):
    with pytest.raises(InputError) as caught:
        load(*command.split())
    assert str(caught.value) == (RANGES | CONTRADICTIONS)[command]


def test_zero_sparsity_contradicts_a_strategy_that_prunes(load):
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
    """The strategy's own sparsity must be that of its masks, because the run records it."""
    with pytest.raises(InputError, match=r"sparsity=0(\.\d)? contradicts strategy="):
        load(*command.split())


def test_an_engine_whose_package_is_missing(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    load("runtime.engines=[eager,onnxruntime]")
    with pytest.raises(InputError) as caught:
        load("runtime.engines=[eager,openvino]")
    assert str(caught.value) == 'openvino is not installed: pip install "compression[openvino]"'


def test_at_least_one_engine_is_required(load):
    with pytest.raises(InputError) as caught:
        load("runtime.engines=[]")
    assert str(caught.value) == "runtime.engines=[]: must be one engine at least"


@pytest.mark.parametrize("value", ["abc", "null", "[1]"])
def test_a_learning_rate_must_be_a_number(load, value):
    with pytest.raises(InputError, match=r"^training.optimizer.lr=.*: must be .*> 0$"):
        load(f"training.optimizer.lr={value}")


def test_defaults(load):
    config = load()
    assert config.sparsity is None
    assert config.target_sparsity == 0.9
    assert (config.seed, config.threads, config.until, config.overwrite) == (42, None, "analyze", False)
    assert (config.bits, config.weight_bits, config.activation_bits) == (32, 32, 32)
    assert config.strategy.prunes
    assert isinstance(config, Config)


def test_the_configuration_holds_plain_containers_and_numbers(load):
    """Values in checkpoints and stage keys must not be objects of OmegaConf."""
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


# Each of these differs from another choice of its group only in a name.
ALIKE = {
    *(f"storage={name}" for name in choices("storage") if name not in ("auto", "dense")),
    *("strategy=iterative_random", "strategy=oneshot_random", "strategy=iterative_structured_l2"),
    *("strategy=layerwise_structured_l1", "strategy=set"),
}
GROUPS = (
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
CHOICES = [f"{group}={choice}" for group in GROUPS for choice in choices(group)]


@pytest.mark.parametrize(
    "override", [pytest.param(one, marks=pytest.mark.slow) if one in ALIKE else one for one in CHOICES]
)
def test_every_choice_composes_and_passes(load, override):
    # Settings that a user must give.
    given = {
        "data=image_folder": ["data.root=images"],
        "model=custom": ["model._target_=my.Net"],
        "model=timm": ["model.name=resnet10t"],
    }
    load(override, *given.get(override, []))


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_composes(load, experiment):
    load(f"experiment={experiment}", "data.root=images", "training.epochs=1")


def test_the_command_line_overrides_an_experiment(load):
    config = load("experiment=cifar10_pruning", "data.root=images", "training.epochs=3", "model=vgg11")
    assert config.training.epochs == 3
    assert config.model["_target_"] == "compression.models.vgg11.vgg11"
    assert load("experiment=cifar10_pruning", "data.root=images").training.epochs == 6


def test_the_schema_is_registered_for_the_defaults_list():
    schema.register()
    assert "schema.yaml" in ConfigStore.instance().list("")


@pytest.mark.parametrize(
    "command",
    [
        "strategy.max_accuracy_drop=0",
        "strategy.recovery.epochs=0",
        "strategy.recovery.epochs=null",
        "strategy.recovery.spread=0",
        "strategy=lottery_ticket strategy.max_accuracy_drop=5",
        "strategy=slimming strategy.finetune.epochs=3",
        "strategy=gmp strategy.recovery.epochs=0",
        "strategy.protect=[]",
        "strategy.protect=[last,first]",
        "sensitivity.sparsities=[0.5]",
        "sparsity=1e-9",
        "sparsity=0.999999999",
        "seed=9223372036854775807",
        "analysis=full until=analyze",
    ],
)
def test_unusual_values_are_allowed(load, command):
    load(*command.split())


@pytest.mark.parametrize(
    ("command", "score"),
    [
        ("", "val/accuracy"),
        ("training.monitor=accuracy", "val/accuracy"),
        ("training.monitor=macro_f1", "val/macro_f1"),
        ("training.monitor=macro_f1 callbacks.early_stopping.monitor=val/loss", "val/loss"),
    ],
)
def test_early_stopping_watches_the_score_that_chooses_epochs(load, command, score):
    assert load("callbacks=early_stopping", *command.split()).callbacks["early_stopping"] == {
        "_target_": "lightning.pytorch.callbacks.EarlyStopping",
        "monitor": score,
        "mode": "max",
        "patience": 10,
    }


def test_optional_steps_of_a_strategy_are_off_by_default(load):
    strategy = load().strategy
    assert (strategy.target, strategy.start, strategy.protect) == ("weights", "dense", [])
    assert strategy.max_accuracy_drop is None
    assert (strategy.compact, strategy.finetune.epochs, strategy.regrowth) == (True, 0, {})
    recovery = strategy.recovery
    assert (recovery.warmup, recovery.lead_epochs, recovery.batch_norm_l1) == (0, 0, 0)
    assert (recovery.spread, recovery.rewind) == (None, "none")


# Every place of the configuration that names a class or function, and a command that fills it.
COMPONENTS = {
    "data": [],
    "model": [],
    "training.optimizer": [],
    "logger": [],
    "callbacks.early_stopping": ["callbacks=early_stopping"],
    "strategy.granularity": ["strategy=iterative_l1"],
    "strategy.allocation": ["strategy=iterative_l1"],
    "strategy.schedule": ["strategy=iterative_l1"],
    "strategy.regrowth": ["strategy=rigl"],
    "quantization.weights": ["bits=8"],
    "quantization.activations": ["bits=8"],
}


@pytest.mark.parametrize("key", COMPONENTS)
def test_a_component_without_its_target_is_refused(load, key):
    with pytest.raises(InputError, match=rf"^{key}={{.*}}: must be a mapping with _target_"):
        load(*COMPONENTS[key], f"~{key}._target_", f"+{key}.extra=1")
