"""The settings of distillation are part of a stage's key."""

import json
from types import SimpleNamespace

import pytest
from runs import WIDE, compose_config

from compression.run.context import make_context
from compression.run.training.teaching import distillation_identity


@pytest.mark.slow
def test_every_setting_makes_another_stage(tmp_path):
    settings = [
        "distillation=logit",
        "distillation=logit distillation.alpha=0.5",
        "distillation=logit distillation.temperature=2",
        "distillation=feature",
        "distillation=feature distillation.feature.weight=1",
        "distillation=feature distillation.feature.kind=hint",
    ]

    def identity(command, dense_id="a"):
        context = make_context(compose_config(*WIDE, f"output_dir={tmp_path}", *command.split()), tmp_path)
        return json.dumps(distillation_identity(context, SimpleNamespace(id=dense_id)), sort_keys=True)

    assert identity("") == "{}"
    assert len({identity(command) for command in settings}) == len(settings)
    assert identity("distillation=logit", "b") != identity("distillation=logit")
    # Written out or left to the kind, a weight is the same.
    assert identity("distillation=feature distillation.feature.weight=1000") == identity("distillation=feature")
