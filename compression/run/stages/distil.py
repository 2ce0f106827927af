"""The distil stage: a student of another architecture, trained from the beginning under the teacher."""

from dataclasses import asdict
from functools import partial

from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.stages.dense import train_anew
from compression.run.training.teaching import (
    distillation_callbacks,
    distillation_identity,
    inherit_from_teacher_,
    student_epochs,
)
from compression.stage_store.store import StageKey, StageRecord

VERSION = 1


def obtain_distilled(context: Context, dense_model: StageRecord) -> StageRecord:
    """Return the trained student; ``context`` is the student's, ``dense_model`` teaches unless another is given.

    It leaves initial and early weights as dense training does, so that strategies can go back to them.
    """
    config = context.config
    num_epochs = student_epochs(context)
    inputs = {
        "data": context.data_identity,
        "model": context.architecture,
        "code": user_code(config.model),
        "training": asdict(config.training) | {"epochs": num_epochs},
        "callbacks": config.callbacks or {},
        "seed": config.seed,
        "arithmetic": context.arithmetic_identity,
        **distillation_identity(context, dense_model),
    }
    settings = config.distillation
    if settings.inherit_weights:
        inputs["inherit_weights"] = True
    # A given teacher makes the student whatever the dense model is.
    parents = () if settings.teacher else (dense_model.id,)
    teach = partial(distillation_callbacks, context, dense_model)
    initialize = partial(inherit_from_teacher_, context, dense_model) if settings.inherit_weights else None
    make = partial(train_anew, context, "distil", num_epochs=num_epochs, initialize=initialize, teach=teach)
    return context.store.obtain(StageKey("distil", VERSION, inputs, parents), make)
