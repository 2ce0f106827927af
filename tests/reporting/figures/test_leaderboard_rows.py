import random

import pytest
from figure_texts import overlaps

from compression.reporting.figures.leaderboard_rows import MAX_ROWS, LeaderboardRow, draw_leaderboard


def rows(num, *, timed=True):
    draw = random.Random(num)
    return [
        LeaderboardRow(
            f"gmp s{i} w8 kd",
            accuracy=draw.uniform(0.85, 0.95),
            bytes=round(2 ** draw.uniform(17, 23)),
            latency_ms=draw.uniform(0.2, 1) if timed else None,
            half_width=0.002,
        )
        for i in range(num)
    ]


def test_rows_by_hand():
    figure = draw_leaderboard(
        [
            LeaderboardRow("small", accuracy=0.9, bytes=300 * 1024, latency_ms=0.5, front=True),
            LeaderboardRow("dense", accuracy=0.95, bytes=8 * 2**20, latency_ms=None, dense=True),
        ],
        title="title",
        accuracy="validation accuracy",
    )
    accuracy, size, latency = figure.axes
    assert [text.get_text() for text in accuracy.get_yticklabels()] == ["dense", "small"]
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts[0] == ["95.00", "90.00", "%", "○ dense   ◆ front: no job is better in both"]
    assert texts[1] == ["8.00 MiB", "300.0 KiB", "file"]
    assert texts[2] == ["", "0.500", "ms"]
    assert accuracy.get_xlabel() == "validation accuracy, %"
    assert [line.get_xdata()[0] for line in size.lines] == [8 * 2**20, 300 * 1024]
    assert len(latency.lines) == 1


@pytest.mark.parametrize("num", [1, 2, 12, 30, 1000])
@pytest.mark.parametrize("timed", [False, True])
def test_any_number_of_jobs(num, timed):
    figure = draw_leaderboard(rows(num, timed=timed), title="Jobs")
    assert overlaps(figure) == []
    assert len(figure.axes) == 2 + timed
    assert len(figure.axes[0].get_yticklabels()) == min(num, MAX_ROWS)
    assert figure.texts[0].get_text() == ("Jobs" if num <= 30 else "Jobs, the 30 most accurate of 1,000 jobs")


def test_equal_files_and_a_dense_model_that_is_not_among_the_best():
    best = [LeaderboardRow(f"job {i}", accuracy=0.9, bytes=1000) for i in range(MAX_ROWS + 5)]
    figure = draw_leaderboard([*best, LeaderboardRow("dense", accuracy=0.5, bytes=1000, dense=True)], title="Jobs")
    assert overlaps(figure) == []
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "dense"


def test_nothing_to_list_is_said():
    assert "No finished job" in draw_leaderboard([], title="").texts[0].get_text()
