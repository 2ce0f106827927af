from compression.sweep.answer.report import aggregate


def test_the_front_is_that_of_the_grid_and_baselines_beyond_it_are_named(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.95, num_bytes=1000))
    folder.add("b", {"sparsity": 0.7}, metrics=metrics(val=0.90, num_bytes=2000, sparsity=0.7))
    folder.add("s", {}, kind="small_dense", metrics=metrics(val=0.97, num_bytes=900, sparsity=0.0))
    folder.add("r", {}, kind="random", metrics=metrics(val=0.5, num_bytes=1500))
    front = aggregate(folder.path).fronts["bytes"]
    assert [one.job.name for one in front.members] == ["a"]
    assert [one.job.name for one in front.unbeaten_baselines] == ["s"]
