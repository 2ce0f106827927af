import json

import pytest
from sweep_folders import render_result

from compression.sweep.report.results_reader import read_results
from compression.sweep.report.sweep_report import aggregate
from compression.sweep.report.sweep_result import make_result


@pytest.mark.usefixtures("without_pictures")
def test_ties_are_in_every_form_of_the_report(folder, metrics):
    folder.plan["axes"] = {"sparsity": [0.5, 0.9], "seed": [0, 1, 2]}
    for name, sparsity, mean, num_bytes in (("a", 0.5, 0.9505, 4096), ("b", 0.9, 0.95, 2048)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            made = metrics(val=mean + step, num_bytes=num_bytes, seed=seed)
            folder.add(f"{name}{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    tie = "accuracy tied with 1 other within the noise of seeds; the smallest of them is b2, 2.0 KiB"
    assert tie in " ".join(render_result(aggregate(folder.path)).split())
    assert f"{tie}. Rule: the highest accuracy." in (folder.path / "report.md").read_text()
    document = json.loads((folder.path / "results.json").read_text())
    assert (document["picks"][0]["tie"], document["picks"][0]["tied_with"]) == (tie, ["b2"])
    assert "differ in cost alone" in (folder.path / "report.md").read_text()


@pytest.mark.usefixtures("without_pictures")
def test_seeds_of_collapsed_jobs_alone_give_no_noise(folder, metrics):
    folder.add("a", {"sparsity": 0.5, "seed": 0}, metrics=metrics(val=0.9, seed=0))
    for seed, val in enumerate((0.1, 0.5)):
        folder.add(f"b{seed}", {"sparsity": 0.9, "seed": seed}, metrics=metrics(val=val, seed=seed))
    aggregate(folder.path)
    assert "No configuration of the grid near the best has several seeds" in (folder.path / "report.md").read_text()


def test_runs_on_different_images_are_in_every_form_of_the_report(folder, metrics):
    """The folder of single runs: all of them are listed, and nothing is chosen."""
    for name in ("a", "b"):
        document = metrics(command=("train.py", f"data={name}"))
        document["run"]["data_settings"] = {"fingerprint": name}
        folder.write(name, "metrics.json", json.dumps(document))
    reason = "the runs have 2 different sets of images (see fingerprint), so their scores do not compare"
    shown = " ".join(render_result(aggregate(folder.path)).split())
    assert f"note: {reason}; there are no picks and no fronts" in shown
    assert f"best balanced: none; {reason}" in shown
    assert "front against" not in shown
    assert f"Note: {reason}" in (folder.path / "report.md").read_text()
    page = (folder.path / "report.html").read_text()
    assert f"There is no configuration to recommend: {reason}" in page
    assert "orange line" not in page
    # The table alone says so too.
    assert make_result(read_results(folder.path)).picks[0].reason == reason
