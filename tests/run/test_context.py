import torch
from machine import THREADS
from runs import WIDE, compose_config
from teachers import STUDENT

from compression.core.selection import prunable_weights
from compression.run import check_memory
from compression.run import context as context_module
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


def test_a_network_has_its_traits_in_every_stage(tmp_path, monkeypatch):
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "checks"))

    def make():
        overrides = ("model=custom", "model._target_=user_nets.Unused", f"output_dir={tmp_path}")
        return make_context(compose_config(*overrides), tmp_path)

    first, again = make(), make()
    assert first.traits.idle == ("spare.weight",)
    assert list(prunable_weights(first.build_model())) == ["conv1.weight", "conv2.weight", "head.weight"]
    # The second context reads what the first one found.
    monkeypatch.setattr(context_module, "find_traits", None)
    assert again.traits == first.traits


def test_traits_change_no_initial_weight(tmp_path, monkeypatch):
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "checks"))
    made = make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), tmp_path)
    first, second = made.build_model().state_dict(), made.build_model().state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
