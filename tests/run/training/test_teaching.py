"""The settings of distillation are part of a stage's key."""

import json
from types import SimpleNamespace

import pytest
from runs import WIDE, compose_config

from compression.run.context import make_context
from compression.run.training.teaching import distillation_identity


@pytest.mark.slow
def test_every_setting_of_distillation_is_in_the_stage_key(tmp_path):
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
    # The default weight, written out, gives the same key.
    assert identity("distillation=feature distillation.feature.weight=1000") == identity("distillation=feature")
