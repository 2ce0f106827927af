from sweep_folders import Folder, make_grid

from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_board import describe_row, list_board, make_controls


def test_settings_that_differ_can_be_chosen(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8], baselines=False)
    ranking = rank_sweep(read_records(tmp_path / "grid"))
    controls = make_controls(ranking)
    assert {choice.key: sorted(choice.values) for choice in controls.choices} == {
        "sparsity": ["0.5", "0.9"],
        "weight_bits": ["6", "8"],
    }
    rows = [describe_row(ranking, index, one) for index, one in enumerate(ranking.configurations)]
    # Every limit and choice finds a value in every row.
    assert all({limit.key for limit in controls.limits} == set(row["numbers"]) for row in rows)
    assert all({choice.key for choice in controls.choices} == set(row["settings"]) for row in rows)


def test_cells_are_sorted_by_numbers_and_not_by_text(tmp_path, metrics):
    folder = Folder(tmp_path / "sizes", {"sparsity": [0.5, 0.9]})
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.97, num_bytes=2 * 2**20))
    folder.add("b", {"sparsity": 0.9}, metrics=metrics(val=0.96, num_bytes=900 * 2**10))
    table = list_board(rank_sweep(read_records(folder.path)))
    column = list(table.columns).index("file")
    assert [(row[column].text, row[column].sort) for row in table.cells] == [
        ("2.00 MiB", 2 * 2**20),
        ("900.0 KiB", 900 * 2**10),
        # The dense model.
        ("8.00 MiB", 8 * 2**20),
    ]
    # It never fades, because limits are about configurations.
    assert table.ids == [0, 1, None]
    assert "seeds" not in table.columns


def test_several_seeds_have_a_column(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5], bits=[6, 8], seeds=(1, 2), baselines=False)
    table = list_board(rank_sweep(read_records(tmp_path / "grid")))
    assert [row[list(table.columns).index("seeds")].text for row in table.cells] == ["2", "2", "2"]
