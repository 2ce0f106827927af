"""The distil stage: a student of another architecture, trained from scratch under the teacher."""

from functools import partial

from compression.run.building.configured_loss import training_settings
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.stage import Finished
from compression.run.training.configured_callbacks import callback_inputs
from compression.run.training.from_scratch import train_from_scratch
from compression.run.training.teaching import (
    distillation_callbacks,
    distillation_identity,
    inherit_from_teacher_,
    student_epochs,
)
from compression.stage_store.store import StageKey, StageRecord

VERSION = 1


def obtain_distilled(context: Context, made: Finished) -> StageRecord:
    """Return the trained student. The dense model teaches it, unless the configuration names another teacher."""
    student, dense_model = context.student, made["dense"]
    config = student.config
    num_epochs = student_epochs(student)
    inputs = {
        "data": student.data.identity,
        "model": student.architecture,
        "code": user_code(config.model),
        "training": training_settings(student) | {"epochs": num_epochs},
        **callback_inputs(student),
        "seed": config.seed,
        "arithmetic": student.machine.identity,
        **distillation_identity(student, dense_model),
    }
    settings = config.distillation
    if settings.inherit_weights:
        inputs["inherit_weights"] = True
    # With a given teacher, the student does not depend on the dense model.
    parents = () if settings.teacher else (dense_model.id,)
    teach = partial(distillation_callbacks, student, dense_model)
    initialize = partial(inherit_from_teacher_, student, dense_model) if settings.inherit_weights else None
    make = partial(train_from_scratch, student, "distil", num_epochs=num_epochs, initialize=initialize, teach=teach)
    return student.store.obtain(StageKey("distil", VERSION, inputs, parents), make)
