import pytest

from compression.sweep.jobs import read_sweep
from compression.sweep.pruned_models import find_pruned, leave_pruned_models, name_pruned


@pytest.fixture
def add(folder):
    """A function that adds a finished job, with the ids of its stages, and returns the sweep."""

    def add_job(name, axes, stages, *, kind="grid", status="finished"):
        run = {"stages": stages, "target_sparsity": 0.8}
        folder.add(name, axes, kind=kind, status=status, metrics={"run": run} if status == "finished" else None)
        return read_sweep(folder.path)

    return add_job


def named(sweep):
    found = find_pruned(sweep)
    return dict(zip(name_pruned(found, sweep.axes), [pruned.stage for pruned in found], strict=True))


def test_jobs_are_grouped_by_the_last_stage_before_quantization(add):
    add("a", {"sparsity": 0.5, "weight_bits": 6}, {"dense": "d", "prune": "p5", "compact": "c5", "quantize": "q1"})
    add("b", {"sparsity": 0.5, "weight_bits": 8}, {"dense": "d", "prune": "p5", "compact": "c5", "quantize": "q2"})
    add("c", {"sparsity": 0.9, "weight_bits": 6}, {"dense": "d", "prune": "p9", "quantize": "q3"})
    add("r", {"sparsity": 0.9, "weight_bits": 6}, {"dense": "d", "prune": "pr", "quantize": "q4"}, kind="random")
    sweep = add("f", {"sparsity": 0.9, "weight_bits": 8}, {}, status="failed")
    assert named(sweep) == {"pruned_s50": "compact-c5", "pruned_s90": "prune-p9"}
    assert [[job.name for job in pruned.jobs] for pruned in find_pruned(sweep)] == [["a", "b"], ["c"]]
    assert all(pruned.whole is None for pruned in find_pruned(sweep))


def test_a_job_without_quantization_is_the_model_itself(add):
    add("a", {"sparsity": 0.5, "weight_bits": 32}, {"dense": "d", "prune": "p5"})
    add("b", {"sparsity": 0.9, "weight_bits": 32}, {"dense": "d", "prune": "p9"})
    sweep = add("c", {"sparsity": 0.9, "weight_bits": 8}, {"dense": "d", "prune": "p9", "quantize": "q"})
    [pruned] = find_pruned(sweep)
    assert pruned.whole is not None
    assert (pruned.stage, pruned.whole.name) == ("prune-p9", "b")


def test_a_sweep_without_pruning_has_no_such_models(add):
    sweep = add("a", {"weight_bits": 8}, {"dense": "d", "quantize": "q"})
    assert find_pruned(sweep) == []
    assert leave_pruned_models(sweep) == []


def test_other_axes_tell_models_of_one_sparsity_apart(folder, add):
    folder.plan["axes"] = {"strategy": ["oneshot_l1", "gmp"], "bits": [4, 8]}
    for number, strategy in enumerate(("oneshot_l1", "gmp")):
        for bits in (4, 8):
            stages = {"prune": f"p{number}", "quantize": f"q{bits}"}
            sweep = add(f"{strategy}{bits}", {"strategy": strategy, "bits": bits}, stages)
    assert named(sweep) == {"pruned_oneshot_l1": "prune-p0", "pruned_gmp": "prune-p1"}


def test_a_single_model_is_named_by_its_sparsity(folder, add):
    folder.plan["axes"] = {"bits": [4, 8]}
    sweep = add("a", {"bits": 4}, {"prune": "0123456789", "quantize": "q"})
    assert named(sweep) == {"pruned_s80": "prune-0123456789"}
    # The records do not say how the second one differs.
    sweep = add("b", {"bits": 8}, {"prune": "abcdef0123", "quantize": "q"})
    assert named(sweep) == {"pruned_s80-012345": "prune-0123456789", "pruned_s80-abcdef": "prune-abcdef0123"}
