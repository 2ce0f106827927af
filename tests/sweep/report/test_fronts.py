from compression.sweep.report.fronts import make_fronts
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records


def read_fronts(folder):
    return make_fronts(rank_sweep(read_records(folder.path)))


def test_the_front_has_grid_members_and_lists_unbeaten_baselines(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.95, num_bytes=1000))
    folder.add("b", {"sparsity": 0.7}, metrics=metrics(val=0.90, num_bytes=2000, sparsity=0.7))
    folder.add("s", {}, kind="small_dense", metrics=metrics(val=0.97, num_bytes=900, sparsity=0.0))
    folder.add("r", {}, kind="random", metrics=metrics(val=0.5, num_bytes=1500))
    front = read_fronts(folder)["bytes"]
    assert [one.job.name for one in front.members] == ["a"]
    assert [one.job.name for one in front.unbeaten_baselines] == ["s"]


def test_each_cost_has_a_front_and_untimed_jobs_are_not_on_that_of_latency(folder, metrics):
    """``a`` is the sparsest, ``b`` the smallest and the most accurate; ``c`` costs more than ``b`` and gains less."""
    folder.add("a", {"sparsity": 0.9}, metrics=metrics(val=0.90, sparsity=0.9, num_bytes=3000, milliseconds=0.4))
    document = metrics(val=0.95, sparsity=0.7, num_bytes=1000)
    document["timing"]["latency"] = []
    folder.add("b", {"sparsity": 0.7}, metrics=document)
    folder.add("c", {"sparsity": 0.5}, metrics=metrics(val=0.92, sparsity=0.5, num_bytes=2000, milliseconds=0.3))
    members = {against: [one.job.name for one in front.members] for against, front in read_fronts(folder).items()}
    assert members == {"sparsity": ["a", "b"], "bytes": ["b"], "latency": ["c"]}


def test_runs_on_different_images_have_no_front(folder, metrics):
    for name in ("a", "b"):
        document = metrics()
        document["run"]["data_settings"] = {"fingerprint": name}
        folder.add(name, {"data": name}, metrics=document)
    folder.add("s", {}, kind="small_dense", metrics=metrics())
    assert [(*front.members, *front.unbeaten_baselines) for front in read_fronts(folder).values()] == [()] * 3
