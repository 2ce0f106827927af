"""What an untried value may give, and where that is not known."""

import io

import pytest
from rich.console import Console
from sweep_folders import KIB, Folder, add_point, make_metrics

from compression.sweep.report.expectation import expect
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.limits import Limits
from compression.sweep.report.recommendation import recommend
from compression.sweep.report.records import read_records


def pair(folder, key="sparsity"):
    """Return the ranking of a folder of two configurations, and these in the order of their axis ``key``."""
    ranking = rank_sweep(read_records(folder.path))
    one, other = sorted(ranking.configurations, key=lambda one: one.axes[key])
    return ranking, one, other


def test_a_line_by_hand(folder):
    """Sparsity 0.5 to 0.9: the loss rises from 1 to 9 points, and the file shrinks from 400 to 100 KiB."""
    add_point(folder, make_metrics, 0.5, 8, drop=1.0, kib=400, milliseconds=4.0)
    add_point(folder, make_metrics, 0.9, 8, drop=9.0, kib=100, milliseconds=1.0)
    ranking, low, high = pair(folder)
    found = expect(ranking, "sparsity", 0.7, low, high, between=True)
    assert found.unknown == {}
    assert found.measures == pytest.approx({"drop": 5.0, "score": 0.93, "bytes": 200 * KIB, "latency": 2.0})
    beyond = expect(ranking, "sparsity", 0.95, high, low, between=False)
    assert beyond.measures["drop"] == pytest.approx(10.0)
    assert beyond.unknown == {}


def test_fewer_bits_with_more_accuracy_are_not_known(folder):
    """4 bits were better than 8 by chance, so no line says what 3 bits or 6 bits give."""
    add_point(folder, make_metrics, 0.5, 4, drop=1.0, kib=200)
    add_point(folder, make_metrics, 0.5, 8, drop=9.0, kib=400)
    ranking, four, eight = pair(folder, "weight_bits")
    for value, start, other, between in ((2, four, eight, False), (6, eight, four, True), (6, four, eight, True)):
        found = expect(ranking, "weight_bits", value, start, other, between=between)
        assert set(found.measures) == {"bytes", "latency"}
        assert found.unknown["score"] == found.unknown["drop"]
        assert found.unknown["drop"].endswith("the one that is compressed more is the more accurate")


def test_a_difference_within_the_noise_of_seeds_is_not_extrapolated(tmp_path):
    folder = Folder(tmp_path / "noisy", {"sparsity": [0.5, 0.7], "seed": [0, 1, 2]})
    for sparsity, mean in ((0.5, 0.97), (0.7, 0.965)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            made = make_metrics(val=mean + step, dense_val=0.98, num_bytes=int(2**20 * (1 - sparsity)), seed=seed)
            folder.add(f"{sparsity}-{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    ranking, low, high = pair(folder)
    found = expect(ranking, "sparsity", 0.9, high, low, between=False)
    assert set(found.measures) == {"bytes", "latency"}
    assert found.unknown["drop"] == "s70 and s50 differ by no more than noise"
    # Between the two, it cannot be far from both.
    assert expect(ranking, "sparsity", 0.6, low, high, between=True).measures["score"] == pytest.approx(0.9675)


def test_latencies_within_their_spread_stay_at_the_larger_one(folder):
    """Rounds of 0.45 to 0.6 ms and of 0.5 to 0.66 ms do not show that more sparsity is faster."""
    add_point(folder, make_metrics, 0.5, 8, drop=1.0, kib=400, milliseconds=0.55)
    add_point(folder, make_metrics, 0.7, 8, drop=9.0, kib=200, milliseconds=0.5)
    ranking, low, high = pair(folder)
    assert expect(ranking, "sparsity", 0.9, high, low, between=False).measures["latency"] == 0.55
    assert expect(ranking, "sparsity", 0.6, low, high, between=True).measures["latency"] == pytest.approx(0.275**0.5)


def test_with_one_seed_each_a_few_images_are_noise(folder):
    """Of 360 test images, a point is fewer than four."""
    add_point(folder, make_metrics, 0.5, 8, drop=1.0, kib=400)
    add_point(folder, make_metrics, 0.7, 8, drop=2.0, kib=200)
    ranking, low, high = pair(folder)
    assert "drop" not in expect(ranking, "sparsity", 0.9, high, low, between=False).measures


def test_impossible_values_are_not_known(folder):
    """50 points are lost from 0.8 to 0.9: at 0.99 more than all would be, and at 0.7 the dense one would be beaten."""
    add_point(folder, make_metrics, 0.8, 8, drop=10.0, kib=400)
    add_point(folder, make_metrics, 0.9, 8, drop=60.0, kib=200)
    ranking, low, high = pair(folder)
    for value, start, other in ((0.99, high, low), (0.7, low, high)):
        found = expect(ranking, "sparsity", value, start, other, between=False)
        assert found.unknown["drop"].endswith("leads to an impossible value")
        assert {"score", "drop"}.isdisjoint(found.measures)


def test_a_file_that_grows_with_compression_is_not_extrapolated(folder):
    add_point(folder, make_metrics, 0.5, 8, drop=1.0, kib=200)
    add_point(folder, make_metrics, 0.9, 8, drop=9.0, kib=300)
    ranking, low, high = pair(folder)
    assert "the larger" in expect(ranking, "sparsity", 0.95, high, low, between=False).unknown["bytes"]


def words(folder, limits):
    stream = io.StringIO()
    Console(file=stream, width=400).print(recommend(folder.path, limits).to_rich())
    return " ".join(stream.getvalue().split())


def test_recommend_says_not_known(folder):
    """Fewer bits were more accurate by chance. 3 bits would fit in 150 KiB, but no line says what they cost."""
    add_point(folder, make_metrics, 0.5, 4, drop=1.0, kib=200)
    add_point(folder, make_metrics, 0.5, 5, drop=1.2, kib=250)
    text = words(folder, Limits(max_bytes=150 * KIB))
    assert "it has accuracy not known, 160.0 KiB: expected nearer to the limits than any run" in text
    text = words(folder, Limits(max_drop=2.0, max_bytes=300 * KIB))
    assert (
        "Rule: no untried value promises more; what weight_bits=3 gives is not known, because s50 w4 and s50 w5" in text
    )


def test_a_line_through_noise_is_no_reason_to_run(folder):
    add_point(folder, make_metrics, 0.5, 8, drop=1.5, kib=400)
    add_point(folder, make_metrics, 0.7, 8, drop=1.6, kib=200)
    # On the line, sparsity 0.3 would lose 1.4 points; but a tenth of a point is less than one image.
    text = words(folder, Limits(max_drop=1.0))
    assert "sparsity=0.3" not in text.partition("Rule: no untried")[0].rpartition("python train.py")[2]
    assert "what sparsity=0.3 gives is not known, because s50 w8 and s70 w8 differ by no more than noise" in text
