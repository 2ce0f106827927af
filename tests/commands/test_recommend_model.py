import pytest
from small_files import run
from sweep_folders import Folder, make_metrics


@pytest.fixture
def folder(tmp_path):
    """Two jobs: sparsity 0.5 with 1 point lost and 1 MiB, sparsity 0.9 with 5 points lost and 256 KiB."""
    folder = Folder(tmp_path / "sweep", {"sparsity": [0.5, 0.9]})
    for sparsity, lost, num_bytes in ((0.5, 0.01, 2**20), (0.9, 0.05, 2**18)):
        metrics = make_metrics(val=0.985 - lost, accuracy=0.98 - lost, sparsity=sparsity, num_bytes=num_bytes)
        folder.add(f"s{100 * sparsity:g}", {"sparsity": sparsity}, metrics=metrics)
    return folder


@pytest.mark.parametrize(
    ("limits", "best"),
    [
        (["--max-drop", 6], "s90"),
        (["--max-drop", 2], "s50"),
        (["--max-bytes", "2MiB"], "s50"),
        (["--max-bytes", "300KiB"], "s90"),
        (["--max-drop", 2, "--max-bytes", "300KiB"], None),
    ],
)
def test_the_best_within_the_limits(folder, limits, best):
    result = run("recommend", folder.path, *limits)
    assert result.exit_code == 0, result.output
    start = f"Ship {folder.path / best}:" if best else "No finished configuration is within the limits"
    assert result.stdout.startswith(start)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ([], "--max-drop POINTS"),
        (["--max-bytes", "5XB"], "--max-bytes=5XB: must be a size such as"),
        (["--max-latency", "5"], "--max-latency=5: "),
        (["--max-drop", "nan"], "--max-drop"),
    ],
)
def test_a_wrong_limit_is_a_one_line_error(folder, limits, message):
    result = run("recommend", folder.path, *limits)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
