import pytest
from sweep_folders import Folder, make_grid, render_result

from compression.sweep.report.sweep_report import aggregate


@pytest.mark.usefixtures("without_pictures")
def test_ties_are_marked_and_explained(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8], seeds=[0, 1, 2], baselines=False)
    result = aggregate(tmp_path / "grid")
    assert [(one.place, one.tied) for one in result.ranking.configurations] == [
        (1, True),
        (1, True),
        (3, True),
        (3, True),
    ]
    report = (tmp_path / "grid" / "report.md").read_text()
    assert "| =1 | s50" in report
    assert "Welch" in report
    assert " ± " in render_result(result)


def test_names_have_no_meaning_in_the_report(tmp_path, metrics):
    folder = Folder(tmp_path / "names", {"v": ["<b>one</b>", "*two*"]})
    folder.add("<img src=x>", {"v": "<b>one</b>"}, metrics=metrics(val=0.97, num_bytes=2**20))
    folder.add("b", {"v": "*two*"}, metrics=metrics(val=0.96, num_bytes=2**19))
    aggregate(folder.path)
    report = (folder.path / "report.md").read_text()
    assert "&lt;img src=x>" in report
    assert "<img" not in report
    assert "<b>" not in report
    assert "**best accuracy**" in report
