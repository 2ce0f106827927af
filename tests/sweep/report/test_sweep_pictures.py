from compression.reporting.figures.accuracy_steps import Course
from compression.sweep.report.dense_models import list_dense_models
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_pictures import list_dense_points, make_courses

STEP = {"step": 1, "sparsity": 0.5, "accuracy_after": 0.9}


def courses(folder):
    return make_courses(rank_sweep(read_records(folder.path)))


def test_jobs_that_share_a_pruning_share_its_line(folder, metrics):
    """Bits apply after pruning, so they are not in the name of the line."""
    for sparsity in (0.5, 0.9):
        for bits in (6, 8):
            made = metrics(prune=f"p{sparsity}", history=[STEP | {"sparsity": sparsity}], dense_val=0.98)
            folder.add(f"{sparsity}-{bits}", {"sparsity": sparsity, "weight_bits": bits}, metrics=made)
    assert courses(folder) == [
        Course("sparsity 0.5", [0, 1], [0.0, 0.5], [0.98, 0.9]),
        Course("sparsity 0.9", [0, 1], [0.0, 0.9], [0.98, 0.9]),
    ]


def test_a_pruning_with_one_job_is_named_like_the_others(folder, metrics):
    for sparsity, bits in ((0.5, 6), (0.5, 8), (0.9, 8)):
        made = metrics(prune=f"p{sparsity}", history=[STEP | {"sparsity": sparsity}], dense_val=0.98)
        folder.add(f"{sparsity}-{bits}", {"sparsity": sparsity, "weight_bits": bits}, metrics=made)
    assert [one.label for one in courses(folder)] == ["sparsity 0.5", "sparsity 0.9"]


def test_baselines_are_marked_and_jobs_without_pruning_have_no_line(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(prune="a", history=[STEP]))
    folder.add("r", {"sparsity": 0.5}, kind="random", metrics=metrics(prune="r", history=[STEP]))
    folder.add("d", {"sparsity": 0.0}, metrics=metrics(prune="d"))
    folder.add("u", {"sparsity": 0.7}, metrics=metrics(prune="u", history=[STEP | {"accuracy_after": None}]))
    assert [(one.label, one.baseline) for one in courses(folder)] == [("a", False), ("random pruning r", True)]


def test_the_dense_model_has_the_same_time_in_pictures_and_tables(folder, metrics):
    for sparsity, milliseconds in ((0.5, 1.0), (0.7, 2.0), (0.9, 2.2)):
        found = metrics(dense_milliseconds=milliseconds)
        folder.add(f"s{sparsity}", {"sparsity": sparsity}, metrics=found)
    ranking = rank_sweep(read_records(folder.path))
    [dense] = list_dense_models(ranking)
    assert list_dense_points(ranking, "latency") == [(dense.milliseconds, 98.5)] == [(2.0, 98.5)]


def test_the_step_that_a_stopped_pruning_rejected_is_not_drawn(folder, metrics):
    rejected = {"step": 2, "sparsity": 0.9, "accuracy_after": 0.4}
    stopped, student = (metrics(prune=name, history=[STEP, rejected], dense_val=0.98) for name in "ab")
    stopped["run"]["stopped"] = "step 2 has 40 %; kept step 1"
    student["run"]["val_accuracy"]["distil"] = 0.7
    folder.add("a", {"sparsity": 0.5}, metrics=stopped)
    folder.add("b", {"sparsity": 0.9}, metrics=student)
    # A student's line begins with the student.
    assert [one.accuracy for one in courses(folder)] == [[0.98, 0.9], [0.7, 0.9, 0.4]]
