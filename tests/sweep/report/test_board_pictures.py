from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from compression.sweep.report import sweep_report
from compression.sweep.report.sweep_report import aggregate


def add_job(folder, name, metrics, *, board="tensorboard"):
    folder.add(name, {"sparsity": 0.5}, metrics=metrics)
    if board:
        (folder.path / name / board / "result").mkdir(parents=True)


def test_the_pictures_of_a_sweep_are_in_tensorboard(folder, metrics):
    add_job(folder, "a", metrics())
    for _ in range(2):
        aggregate(folder.path)
    drawn = sorted((folder.path / "pictures").glob("*.png"))
    [file] = [file for file in (folder.path / "tensorboard" / "report").iterdir() if file.stat().st_size]
    board = EventAccumulator(str(file)).Reload()
    assert sorted(board.Tags()["images"]) == [path.stem for path in drawn]
    for path in drawn:
        [image] = board.Images(path.stem)
        assert image.encoded_image_string == path.read_bytes()
        with Image.open(path) as opened:
            assert (image.width, image.height) == opened.size


def test_sweeps_without_tensorboard_and_single_runs_get_no_images(folder, metrics, monkeypatch):
    monkeypatch.setattr(sweep_report, "draw_sweep", lambda *_, **__: {})
    add_job(folder, "a", metrics(), board="")
    aggregate(folder.path)
    (folder.path / "sweep.json").unlink()
    add_job(folder, "b", metrics())
    (folder.path / "sweep.json").unlink(missing_ok=True)
    aggregate(folder.path)
    assert not (folder.path / "tensorboard").exists()
