import pytest
import torch
from runs import TINY, compose_config

from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.quantization.network.integer_layers import IntegerLayer, Product
from compression.run.context import make_context
from compression.run.training.task import make_task, validate
from compression.run.workspace import quiet_libraries


@pytest.fixture
def context(tmp_path):
    return make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)


def test_validation_uses_every_held_out_image_once(context):
    quiet_libraries()
    model = context.build_model()
    validated = validate(context, model)
    with evaluating(model):
        hits, totals = count_hits(model, context.data.val_batches(), context.data.num_classes)
    assert validated.accuracy == pytest.approx(float(hits.sum() / totals.sum()))
    assert validated.score is None
    assert int(totals.sum()) == len(context.data.images.val)


def test_the_task_has_the_configured_optimizer_with_the_given_learning_rate(context):
    task = make_task(context, context.build_model(), lambda _: 1.0, lr=0.25)
    optimizer = task.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["lr"] == 0.25


class BiasOnly(torch.nn.Module):
    """A quantized network whose logits are the integers ``100,000 + class``, for any image. It keeps its logits."""

    def __init__(self, num_classes):
        super().__init__()
        biases = 100_000 + torch.arange(num_classes, dtype=torch.int32)
        weight = torch.zeros(num_classes, 3, dtype=torch.int8)
        self.layer = IntegerLayer(Product(0), weight=weight, weight_scale=torch.ones(num_classes), bias=biases)
        self.seen = []

    def forward(self, images):
        self.seen.append(self.layer(images.mean((2, 3)), torch.tensor(1.0)))
        return self.seen[-1]


def test_integers_are_validated_exactly_under_mixed_precision(tmp_path):
    quiet_libraries()
    config = compose_config(*TINY, "trainer.precision=bf16-mixed", f"output_dir={tmp_path}")
    context = make_context(config, tmp_path)
    model = BiasOnly(context.data.num_classes)
    validate(context, model)
    for logits in model.seen:
        assert logits.equal((100_000.0 + torch.arange(context.data.num_classes)).expand_as(logits))
