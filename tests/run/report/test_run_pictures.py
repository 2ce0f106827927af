import pytest
from matplotlib.text import Text
from runs import WIDE, compose_config

from compression.pruning.layer_sensitivity import SensitivityTable
from compression.reporting.pruning_steps import make_history
from compression.run.context import make_context
from compression.run.report.run_pictures import draw_pruning, draw_sensitivity

ALWAYS = {"weight_histograms", "layer_sparsity", "pruning_history", "first_filters"}


UNTRAINED = "strategy.recovery.epochs=0 until=prune"
BY_SENSITIVITY = f"strategy=layerwise_l1 strategy.schedule.steps=2 sensitivity.images=100 {UNTRAINED}"


@pytest.mark.parametrize(
    ("command", "more"), [(f"strategy=oneshot_l1 {UNTRAINED}", set()), (BY_SENSITIVITY, {"sensitivity_weights"})]
)
def test_a_pruning_run_has_its_pictures(shared, tmp_path, command, more):
    records = shared(command)
    config = compose_config(*WIDE, *command.split(), f"output_dir={tmp_path}")
    rows = records["prune"].results["pruning_history"]
    history = make_history(rows, unpruned={"accuracy_after": 0.9, "bytes": 1000}, timed=None)
    figures = draw_pruning(make_context(config, tmp_path), records, history=history, timed=None)
    assert figures.keys() == ALWAYS | more
    texts = {text.get_text() for text in figures["first_filters"].findobj(Text)}
    assert f"features.0.weight, before and after {config.strategy.name}" in texts
    # Without timings there is no third axis.
    assert len(figures["pruning_history"].axes) == 2


@pytest.mark.parametrize("kind", ["weights", "channels"])
def test_the_sensitivity_picture_is_named_by_its_kind(kind):
    name = "conv.weight" if kind == "weights" else "conv"
    table = SensitivityTable(kind=kind, baseline=0.9, images=10, sizes={name: 8}, accuracy={name: {0.5: 0.8, 0.9: 0.1}})
    assert list(draw_sensitivity(table)) == [f"sensitivity_{kind}"]
