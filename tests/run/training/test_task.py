import pytest
import torch
from runs import TINY, compose_config

from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.run.context import make_context
from compression.run.training.task import make_task, validate
from compression.run.workspace import quiet_libraries


@pytest.fixture
def context(tmp_path):
    return make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)


def test_validation_uses_every_held_out_image_once(context):
    quiet_libraries()
    model = context.build_model()
    accuracy = validate(context, model)
    with evaluating(model):
        hits, totals = count_hits(model, context.data.val_batches(), context.data.num_classes)
    assert accuracy == pytest.approx(float(hits.sum() / totals.sum()))
    assert int(totals.sum()) == len(context.data.images.val)


def test_the_task_has_the_configured_optimizer_with_the_given_learning_rate(context):
    task = make_task(context, context.build_model(), lambda _: 1.0, lr=0.25)
    optimizer = task.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["lr"] == 0.25
