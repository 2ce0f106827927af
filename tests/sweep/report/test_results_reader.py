"""A sweep read from its table: the same ranking as from its jobs."""

import csv
import shutil

import pytest
from sweep_folders import make_grid

from compression.core.errors import InputError
from compression.sweep.report.fronts import make_fronts
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records
from compression.sweep.report.results_reader import read_results
from compression.sweep.report.sweep_report import aggregate


@pytest.mark.usefixtures("without_pictures")
def test_the_table_gives_the_same_ranking_as_the_jobs(tmp_path):
    folder = make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8], seeds=(1, 2)).path
    aggregate(folder)
    (tmp_path / "table").mkdir()
    shutil.copy(folder / "results.csv", tmp_path / "table")
    by_jobs, by_table = rank_sweep(read_records(folder)), rank_sweep(read_results(tmp_path / "table"))
    assert len(by_jobs.configurations) == 8

    def describe(ranking):
        return [
            (one.label, one.place, one.tied, one.num_jobs, one.score, one.test, one.measured.bytes, one.milliseconds)
            for one in ranking.configurations
        ]

    assert describe(by_table) == describe(by_jobs)
    assert by_table.batch_size == by_jobs.batch_size
    for against, front in make_fronts(by_jobs).items():
        members = [one.label for one in make_fronts(by_table)[against].members]
        assert members == [one.label for one in front.members]
    ratios = [[one.ratio for one in ranking.configurations] for ranking in (by_jobs, by_table)]
    assert ratios[0] == pytest.approx(ratios[1])
    speedups = [[one.speedup for one in ranking.configurations] for ranking in (by_jobs, by_table)]
    assert speedups[0] == pytest.approx(speedups[1])


@pytest.mark.usefixtures("without_pictures")
def test_jobs_without_numbers_keep_their_reason(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics())
    folder.add("b", {"sparsity": 0.9}, status="failed", reason="out of memory")
    aggregate(folder.path)
    jobs = {job.name: job for job in read_results(folder.path).jobs}
    assert (jobs["b"].status, jobs["b"].reason, jobs["b"].measured) == ("failed", "out of memory", None)
    assert jobs["a"].measured is not None
    assert jobs["a"].axes["sparsity"] == 0.5


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "job,kind,status\n../x,grid,finished\n", "job,kind,status,accuracy\na,grid,finished,x\n"]
)
def test_another_table_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(InputError) as raised:
        read_results(tmp_path)
    assert "results.csv" in str(raised.value)


def test_a_value_that_is_no_number_is_refused_in_one_line(folder, metrics, tmp_path):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.97))
    aggregate(folder.path)
    with (folder.path / "results.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    with (tmp_path / "results.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        writer.writeheader()
        writer.writerow(row | {"val_accuracy": "nan"})
    with pytest.raises(InputError, match="val_accuracy=nan: must be a finite number"):
        read_results(tmp_path)
