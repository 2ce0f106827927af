import re

import pytest
from checks import check_command
from hydra.errors import HydraException

from compression.config.explain import explain


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("model=vgg11 data.image_size=16", r"vgg11 does not run on data.image_size=16: .*output size is too small"),
        ("training.optimizer.momentum=-1", r"^training.optimizer: Invalid momentum value: -1"),
        (
            "training=adam training.optimizer._target_=torch.optim.SparseAdam ~training.optimizer.weight_decay",
            r"^training.optimizer: SparseAdam cannot train a network whose pruned weights stay zero: use another",
        ),
        ("+training.optimizer.nonsense=1", r"^training.optimizer: .*nonsense"),
        ("trainer.precision=16-mixed", r"^trainer.precision=16-mixed: not supported on a CPU; allowed here: "),
        (
            "model=resnet18 model.pretrained=true model.weights=some.pt",
            r"^model.pretrained=true contradicts model.weights=some.pt: give one of them$",
        ),
        ("model=resnet18 model.stem=cifar model.pretrained=true", "pretrained"),
        ("data.batch_size=1", r"^data.batch_size=1: "),
    ],
)
def test_errors_of_model_and_optimizer_are_found_before_training(tmp_path, command, message):
    with pytest.raises((HydraException, ValueError)) as caught:
        check_command(tmp_path, *command.split())
    assert re.search(message, explain(caught.value), flags=re.IGNORECASE)
    assert not (tmp_path / "store").exists()
