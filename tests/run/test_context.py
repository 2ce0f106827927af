from machine import THREADS
from runs import WIDE, compose_config
from teachers import STUDENT

from compression.run.context import make_context


def test_teacher_and_student_share_the_data(tmp_path):
    command = f"distillation=logit {STUDENT} output_dir={tmp_path}"
    context = make_context(compose_config(*WIDE, *command.split()), tmp_path)
    student = context.student
    assert student is not context
    assert student.student is student
    assert (student.dense, context.dense) == (context, context)
    assert student.data is context.data
    assert student.data.train_batches().split is context.data.train_batches().split
    assert student.architecture["kwargs"] == {"width": 16}
    assert context.architecture["kwargs"] == {"width": 32}
    plain = make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), tmp_path)
    assert plain.student is plain


def identities(tmp_path, *commands):
    contexts = [
        make_context(compose_config(*WIDE, *command.split(), f"output_dir={tmp_path}"), tmp_path)
        for command in commands
    ]
    return [context.data.identity for context in contexts], [context.machine.identity for context in contexts]


def test_settings_that_change_no_image_are_not_in_the_data_identity(tmp_path):
    more = f"threads={THREADS + 1}"
    data, arithmetic = identities(
        tmp_path, "", "data.num_workers=0 data.stem=cifar sparsity=0.5", "data.augment.crop_padding=1", more
    )
    assert data[0] == data[1] == data[3] != data[2]
    assert arithmetic[0] == arithmetic[1] == arithmetic[2] != arithmetic[3]
    # The number of devices is in the identity only if there are several.
    assert "devices" not in arithmetic[0]


def test_the_seed_decides_the_initial_weights(tmp_path):
    def first_weight(command):
        context = make_context(compose_config(*WIDE, *command.split(), f"output_dir={tmp_path}"), tmp_path)
        return context.build_model().features[0].weight

    one = first_weight("seed=1")
    assert one.equal(first_weight("seed=1"))
    assert not one.equal(first_weight("seed=2"))
