"""What may be set in a strategy and in the measurement of sensitivity, and what contradicts what."""

import pytest

from compression.core.errors import InputError

RANGES = {
    "training.early_epoch=0": "training.early_epoch=0: must be in [1, training.epochs=20]",
    "training.early_epoch=21": "training.early_epoch=21: must be in [1, training.epochs=20]",
    "training.epochs=3 training.early_epoch=4": "training.early_epoch=4: must be in [1, training.epochs=3]",
    "strategy.target=layers": "strategy.target=layers: must be one of weights, channels, params, macs",
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
    "strategy=rigl strategy.target=channels": "strategy.regrowth contradicts strategy.target=channels: "
    "only weights can regrow",
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
REFUSED = RANGES | CONTRADICTIONS


@pytest.mark.parametrize("command", REFUSED)
def test_message_of(load, command):
    with pytest.raises(InputError) as caught:
        load(*command.split())
    assert str(caught.value) == REFUSED[command]


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
    ],
)
def test_the_edges_of_what_is_allowed(load, command):
    load(*command.split())


def test_switched_off_unless_asked_for(load):
    strategy = load().strategy
    assert (strategy.target, strategy.start, strategy.protect) == ("weights", "dense", [])
    assert strategy.max_accuracy_drop is None
    assert (strategy.compact, strategy.finetune.epochs, strategy.regrowth) == (True, 0, {})
    recovery = strategy.recovery
    assert (recovery.warmup, recovery.lead_epochs, recovery.batch_norm_l1) == (0, 0, 0)
    assert (recovery.spread, recovery.rewind) == (None, "none")
