import pytest
import torch
from runs import WIDE, run_here
from teachers import STUDENT, write_teacher
from trained_store import weights_of
from training_parts import KillAt, KilledError

from compression.callbacks.distillation import DistillationCallback


def test_a_student_inherits_the_first_channels_of_its_teacher(shared):
    command = f"distillation=logit {STUDENT} distillation.inherit_weights=true distillation.epochs=1 strategy=none"
    stages = shared(f"{command} until=distil")
    whole, start = weights_of(stages["dense"]), weights_of(stages["distil"], "initial")
    assert start["features.0.weight"].shape == (16, 3, 3, 3)
    for name, value in start.items():
        assert torch.equal(value, whole[name][tuple(slice(size) for size in value.shape)]), name


def test_a_moved_teacher_file_is_the_same_teacher(make, finished, tmp_path, outputs):
    teacher = write_teacher(finished("dense")[0], tmp_path / "teacher.cmp")
    command = f"distillation=logit {STUDENT} distillation.epochs=1 distillation.teacher="
    made = make("distil", f"{command}{teacher}")
    moved = teacher.rename(tmp_path / "moved.cmp")
    run_here(*WIDE, *f"{command}{moved} until=distil".split(), run_dir=outputs / "run", output_dir=outputs)
    assert [found.path for found in finished("distil")] == [made.path]
    # The student does not depend on the dense model.
    assert made.record["key"]["parents"] == []


@pytest.mark.slow
def test_a_killed_student_training_resumes_exactly(make, shared, monkeypatch, outputs):
    command = f"distillation=feature distillation.feature.kind=hint {STUDENT}"
    whole = shared(f"{command} until=distil")["distil"]
    with monkeypatch.context() as patch:
        kill = KillAt(1, 2)
        patch.setattr(DistillationCallback, "on_train_batch_start", lambda _, *args: kill.on_train_batch_start(*args))
        with pytest.raises(KilledError):
            make("distil", command)
    assert list((outputs / "store").glob("distil-*.partial/resume/last.ckpt"))
    again = make("distil", command)
    assert again.path.name == whole.path.name
    for name in ("model.safetensors", "early.safetensors", "initial.safetensors"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert again.results == whole.results
