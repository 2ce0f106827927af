import torch
from runs import TINY, compose_config
from safetensors.torch import load_file

from compression.run.context import make_context
from compression.run.training.from_scratch import callback_inputs, train_from_scratch
from compression.run.workspace import quiet_libraries


def test_training_writes_initial_early_and_trained_weights(tmp_path):
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path / "run")
    folder, taught = tmp_path / "stage", []
    (folder / "resume").mkdir(parents=True)

    def zero_head(model):
        torch.nn.init.zeros_(model.classifier.weight)

    def teach(model):
        taught.append(model)
        return []

    quiet_libraries()
    made = train_from_scratch(context, "dense", folder, num_epochs=2, initialize=zero_head, teach=teach)
    initial, early, trained = (load_file(folder / f"{name}.safetensors") for name in ("initial", "early", "model"))
    assert not initial["classifier.weight"].any()
    assert early["classifier.weight"].any()
    assert not trained["classifier.weight"].equal(initial["classifier.weight"])
    assert [row["epoch"] for row in made.results["history"]] == [1, 2]
    assert len(taught) == 1


def test_the_code_of_a_callback_of_the_user_is_in_the_key(tmp_path, monkeypatch):
    def inputs(*overrides):
        return callback_inputs(make_context(compose_config(*TINY, *overrides, f"output_dir={tmp_path}"), tmp_path))

    assert inputs() == {"callbacks": {}}
    assert list(inputs("callbacks=early_stopping")) == ["callbacks"]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_callbacks.py").write_text("patience = 3\n")
    assert list(inputs("+callbacks.mine._target_=my_callbacks.Mine")["callbacks_code"]) == ["my_callbacks.Mine"]
