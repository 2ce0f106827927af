import torch
from runs import TINY, compose_config
from safetensors.torch import load_file

from compression.run.context import make_context
from compression.run.training.from_scratch import train_from_scratch
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
