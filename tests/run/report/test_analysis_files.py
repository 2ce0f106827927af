from runs import TINY, compose_config

from compression.run.context import make_context
from compression.run.report.analysis_files import copy_analysis, find_groups


def test_files_are_copied_and_pictures_of_another_analysis_removed(tmp_path):
    stage, folder = tmp_path / "stage", tmp_path / "run" / "failure_analysis"
    stage.mkdir()
    folder.mkdir(parents=True)
    for name in ("stage.json", "failure_modes.json", "failure_mode_report.txt", "confusion_matrix.png"):
        (stage / name).write_text(name)
    for name in ("flipped_examples.png", "confusion_matrix.png", "mine.png"):
        (folder / name).write_text("old")
    assert copy_analysis(stage, folder) == [("confusion matrix", "confusion_matrix.png")]
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {
        "failure_modes.json": "failure_modes.json",
        "failure_mode_report.txt": "failure_mode_report.txt",
        "confusion_matrix.png": "confusion_matrix.png",
        "mine.png": "old",
    }


def test_groups_are_given_or_those_of_the_classes(tmp_path):
    def groups(*overrides):
        return find_groups(make_context(compose_config(*TINY, f"output_dir={tmp_path}", *overrides), tmp_path))

    assert groups() == {}
    assert groups("data.class_groups={low: ['0', '1']}") == {"low": ["0", "1"]}
    assert list(groups("data=cifar10")) == ["animals", "vehicles"]


def test_a_folder_with_the_classes_of_cifar10_has_its_groups(tmp_path):
    from coloured_folders import save_folder

    from compression.data.cifar10 import CLASS_NAMES

    root = save_folder(tmp_path / "images", dict.fromkeys(CLASS_NAMES, 3))
    config = compose_config("data=image_folder", f"data.root={root}", f"output_dir={tmp_path}")
    groups = find_groups(make_context(config, tmp_path))
    assert groups["vehicles"] == ["airplane", "automobile", "ship", "truck"]
