from small_files import run
from sweep_folders import make_grid

from compression.reporting import figures
from compression.sweep.report.sweep_report import PICTURES


def test_tables_and_pictures_are_written_again_from_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "DPI", 40)
    folder = make_grid(tmp_path / "sweep", sparsities=[0.5, 0.9], bits=[8], baselines=False).path
    assert not (folder / "results.csv").exists()
    result = run("report", folder)
    assert result.exit_code == 0, result.output
    assert "results.csv" in result.stdout
    first = (folder / "results.csv").read_bytes()
    assert list((folder / PICTURES).glob("*.png"))
    # A deleted file is written again with the same content.
    (folder / "results.csv").unlink()
    assert run("report", folder).stdout == result.stdout
    assert (folder / "results.csv").read_bytes() == first
