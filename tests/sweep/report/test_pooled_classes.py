"""Figures over the folds of a cross-validation, and the report of a sweep that is chosen by balanced accuracy."""

import pytest
from sweep_folders import Folder, make_metrics

from compression.analysis.intervals import wilson_interval
from compression.sweep.report.pooled_classes import format_share
from compression.sweep.report.records import read_records
from compression.sweep.report.results_reader import read_results
from compression.sweep.report.sweep_report import aggregate
from compression.sweep.report.sweep_result import make_result

# Correct and all test images of two classes, by fold.
FOLDS = {1: ((9, 10), (1, 2)), 2: ((8, 10), (0, 2)), 3: ((10, 10), (2, 2))}


def add(folder, sparsity, fold, *, shift=0, seed=42, monitor="balanced_accuracy", axes=None):
    (free, all_free), (fray, all_fray) = FOLDS[fold]
    free -= shift
    balanced = (free / all_free + fray / all_fray) / 2
    made = make_metrics(accuracy=(free + fray) / 12, val=0.9, seed=seed, num_bytes=2**20 - int(sparsity * 1000))
    made["run"]["monitor"] = monitor
    scores = {"accuracy": (free + fray) / 12, "balanced_accuracy": balanced, "macro_f1": balanced}
    made["compressed"] |= {
        "classes": {"free": [free, all_free], "fray": [fray, all_fray]},
        "scores": scores,
        "val_scores": {**scores, "balanced_accuracy": balanced - 0.01},
    }
    made["dense"] |= {"scores": dict.fromkeys(scores, 0.9), "val_scores": dict.fromkeys(scores, 0.8)}
    axes = {"sparsity": sparsity, "data.fold": fold} if axes is None else axes
    folder.add(f"s{sparsity}-f{fold}-{seed}", axes, metrics=made)


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "cv", {"sparsity": [0.5, 0.9], "data.fold": [1, 2, 3]})
    for fold in FOLDS:
        add(made, 0.5, fold)
        add(made, 0.9, fold, shift=3)
    return made.path


def test_folds_are_grouped_as_seeds_are(folder):
    ranking = make_result(read_records(folder)).ranking
    assert [(one.label, one.num_jobs) for one in ranking.configurations] == [("s50", 3), ("s90", 3)]
    assert (ranking.monitor, ranking.repeats_name, ranking.shows_classes) == ("balanced_accuracy", "folds", True)
    best = ranking.configurations[0]
    # Balanced accuracies 0.7, 0.4 and 1.0 on test images.
    assert best.test.mean == pytest.approx(0.7)
    assert best.test.deviation == pytest.approx(0.3)
    # t of 2 degrees of freedom is 4.303.
    assert best.test.half_width == pytest.approx(4.3027 * 0.3 / 3**0.5, rel=1e-4)
    assert best.score.mean == pytest.approx(0.69)
    assert best.drop == pytest.approx(100 * (0.8 - 0.69))
    assert best.test_drop == pytest.approx(100 * (0.9 - 0.7))
    assert best.kept == pytest.approx(0.69 / 0.8)


def test_classes_are_pooled_over_folds(folder):
    pooled = make_result(read_records(folder)).ranking.configurations[0].pooled
    assert pooled.images == 36
    # 27 of 30 and 3 of 6: each image counts once.
    assert pooled.accuracy.value == pytest.approx(30 / 36)
    assert pooled.balanced.value == pytest.approx((0.9 + 0.5) / 2)
    assert pooled.worst_name == "fray"
    assert pooled.worst == wilson_interval(3, images=6)
    assert format_share(pooled.balanced).startswith("70.00 (")
    assert format_share(pooled.worst) == "50.00 (18.76 to 81.24)"


def test_another_seed_tests_the_same_images_and_is_not_pooled(tmp_path):
    made = Folder(tmp_path / "cv", {"seed": [1, 2], "data.fold": [1, 2]})
    for seed in (1, 2):
        for fold in (1, 2):
            add(made, 0.5, fold, seed=seed, axes={"seed": seed, "data.fold": fold})
    ranking = make_result(read_records(made.path)).ranking
    [one] = ranking.configurations
    assert (one.num_jobs, one.label, ranking.repeats_name) == (4, "cross-validation", "runs")
    assert one.pooled.images == 24


def test_a_fold_without_counts_by_class_leaves_the_columns_out(folder):
    made = Folder(folder.parent / "old", {"data.fold": [1, 2]})
    for fold in (1, 2):
        made.add(f"f{fold}", {"data.fold": fold}, metrics=make_metrics())
    ranking = make_result(read_records(made.path)).ranking
    assert (ranking.monitor, ranking.shows_classes) == ("accuracy", False)


def test_runs_that_were_chosen_differently_are_compared_by_balanced_accuracy(tmp_path):
    made = Folder(tmp_path / "mixed", {"training.monitor": ["accuracy", "macro_f1"]})
    for fold, monitor in ((1, "accuracy"), (2, "macro_f1")):
        add(made, 0.5, fold, monitor=monitor, axes={"training.monitor": monitor})
    ranking = make_result(read_records(made.path)).ranking
    assert ranking.monitor == "balanced_accuracy"
    assert [round(one.test.mean, 6) for one in ranking.configurations] == [0.7, 0.4]


def test_the_report_names_the_score_and_shows_classes(folder):
    result = aggregate(folder)
    text = (folder / "report.md").read_text()
    assert "up to 3 folds each. Choices are made by balanced accuracy on held-out training images" in text
    scores = "| folds | validation balanced accuracy, % | test balanced accuracy, % |"
    assert f"{scores} accuracy (95 % interval), % | balanced accuracy, % | worst class, % | test points lost |" in text
    assert "fray 50.00 (18.76 to 81.24)" in text
    assert "± is half the 95 % t-interval of the mean over folds." in text
    assert "Rule: the highest balanced accuracy." in text
    summary = (folder / "summary.yaml").read_text()
    assert "chosen_by: val_balanced_accuracy" in summary
    assert "worst_class:" in summary
    assert result.picks[0].chosen.label == "s50"


def test_the_table_of_results_gives_the_same_scores_again(folder):
    before = aggregate(folder).ranking
    after = make_result(read_results(folder)).ranking
    assert after.monitor == "balanced_accuracy"
    assert [(one.label, one.score, one.test, one.pooled) for one in after.configurations] == [
        (one.label, one.score, one.test, one.pooled) for one in before.configurations
    ]
