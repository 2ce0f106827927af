import pytest
from runs import TINY, compose_config

from compression.core.errors import InputError
from compression.run.context import make_context
from compression.run.training.configured_callbacks import callback_inputs, make_callbacks

CANNOT_BE_USED = (
    "cannot be used: a run chooses its weights, batches, learning rates and checkpoints itself; leave it out"
)
LIGHTNING, LOGGED = "lightning.pytorch.callbacks", "val/accuracy, val/loss, train/accuracy, train/loss"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["_target_={}.ModelCheckpoint"], f"callbacks.mine: ModelCheckpoint {CANNOT_BE_USED}"),
        (["_target_={}.EMAWeightAveraging"], f"callbacks.mine: EMAWeightAveraging {CANNOT_BE_USED}"),
        (
            ["_target_={}.StochasticWeightAveraging", "swa_lrs=0.1"],
            f"callbacks.mine: StochasticWeightAveraging {CANNOT_BE_USED}",
        ),
        (
            ["_target_={}.EarlyStopping", "monitor=val/macro_f1"],
            f"callbacks.mine.monitor=val/macro_f1 is not logged: must be one of {LOGGED}; training.monitor adds one",
        ),
    ],
)
def test_a_callback_that_would_fail_in_training_is_refused(tmp_path, overrides, message):
    command = [f"+callbacks.mine.{override.format(LIGHTNING)}" for override in overrides]
    context = make_context(compose_config(*TINY, *command, f"output_dir={tmp_path}"), tmp_path)
    with pytest.raises(InputError) as caught:
        make_callbacks(context)
    assert str(caught.value) == message


def test_the_code_of_a_callback_of_the_user_is_in_the_key(tmp_path, monkeypatch):
    def inputs(*overrides):
        return callback_inputs(make_context(compose_config(*TINY, *overrides, f"output_dir={tmp_path}"), tmp_path))

    assert inputs() == {"callbacks": {}}
    assert list(inputs("callbacks=early_stopping")) == ["callbacks"]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_callbacks.py").write_text("patience = 3\n")
    assert list(inputs("+callbacks.mine._target_=my_callbacks.Mine")["callbacks_code"]) == ["my_callbacks.Mine"]
