import json

import pytest
from coloured_folders import save_folder
from small_files import save_colours

from compression.artifact import load_artifact
from compression.commands.changed_images import describe_changes
from compression.commands.run_settings import RunSettings
from compression.core.errors import InputError
from compression.data.digits import Digits
from compression.data.image_folder import ImageFolder


@pytest.fixture
def describe(tmp_path):
    """Function that compares a dataset with the one of a file with the notes ``info``."""

    def call(dataset, info, *, seed=3, **arguments):
        save_colours(tmp_path / "model.cmp", info=info)
        artifact = load_artifact(tmp_path / "model.cmp", allow=["colour_net"])
        settings = RunSettings("", arguments, seed, None)
        return describe_changes(dataset, artifact, run_folder=tmp_path, settings=settings, source="the data of the run")

    return call


def note(dataset):
    return {"data": {"name": dataset.name, "fingerprint": dataset.fingerprint()[:16]}, "seed": 3}


def open_folder(root, **more):
    return ImageFolder(root=str(root), image_size=8, **more)


def save_parts(root, **counts):
    for part, count in counts.items():
        save_folder(root / part, {"blue": count, "red": count})
    return root


def test_the_same_images_leave_no_doubt(describe, tmp_path):
    dataset = open_folder(save_folder(tmp_path / "images", {"blue": 6, "red": 6}))
    assert describe(dataset, note(dataset)) is None
    assert describe(dataset, {}) is None


@pytest.mark.parametrize("change", ["added", "removed", "replaced"])
def test_images_that_the_run_divides_are_refused_when_they_changed(describe, tmp_path, change):
    root = save_folder(tmp_path / "images", {"blue": 6, "red": 6})
    noted = note(open_folder(root))
    if change == "added":
        save_folder(root, {"red": 7})
    elif change == "removed":
        (root / "red" / "0.png").unlink()
    else:
        (root / "red" / "0.png").write_bytes((root / "blue" / "0.png").read_bytes())
    now = open_folder(root)
    with pytest.raises(InputError) as caught:
        describe(now, noted)
    assert str(caught.value) == (
        f"the data of the run: the images changed since the run, whose fingerprint was {noted['data']['fingerprint']} "
        f"and is now {now.fingerprint()[:16]}: the run divided them itself, so images that it trained on may now be "
        "test images; restore what changed, or name images that it did not train on with --data FOLDER"
    )


def test_the_folders_own_test_images_stay_and_none_is_held_out(describe, tmp_path):
    root = save_parts(tmp_path / "images", Training=4, val=2, test=2)
    noted = note(open_folder(root))
    save_folder(root / "Training", {"red": 5})
    line = describe(open_folder(root), noted)
    assert f"all images of {root / 'test'} are test images, and no training image counts as held out" in line
    # Folds divide the test images too.
    folds = open_folder(root, folds=2, fold=1)
    with pytest.raises(InputError, match="the run divided them itself"):
        describe(folds, noted)


def test_the_record_of_the_run_has_the_fingerprint_if_the_file_has_none(describe, tmp_path):
    run = {"data_settings": {"fingerprint": "0" * 64}}
    (tmp_path / "metrics.json").write_text(json.dumps({"run": run}))
    with pytest.raises(InputError, match=rf"fingerprint was {'0' * 16} and is now "):
        describe(Digits(image_size=8), {})
    run["data_settings"]["fingerprint"] = Digits().fingerprint()
    (tmp_path / "metrics.json").write_text(json.dumps({"run": run}))
    assert describe(Digits(image_size=8), {}) is None
    (tmp_path / "metrics.json").write_text("{")
    assert describe(Digits(image_size=8), {}) is None


def test_the_record_of_another_seed_names_other_held_out_images(describe):
    digits = Digits(image_size=8)
    assert describe(digits, note(digits), seed=4) == (
        "the data of the run: the file was made with seed 3, and the record beside it is of seed 4"
    )


def test_a_configuration_of_a_later_command_is_refused_where_it_chooses_other_test_images(describe, tmp_path):
    root = save_folder(tmp_path / "images", {"blue": 6, "red": 6})
    dataset = open_folder(root)
    settings = {"fingerprint": dataset.fingerprint(), "test_fraction": 0.2, "val_fraction": 0.1}
    (tmp_path / "metrics.json").write_text(json.dumps({"run": {"data_settings": settings}}))
    assert describe(dataset, note(dataset), test_fraction=0.2, val_fraction=0.1) is None
    with pytest.raises(InputError, match=r"data.test_fraction was 0.2 in the run and is 0.5 in the configuration"):
        describe(dataset, note(dataset), test_fraction=0.5, val_fraction=0.1)
    with pytest.raises(InputError, match=r"data.fold was None in the run and is 2 in the configuration"):
        describe(dataset, note(dataset), test_fraction=0.2, val_fraction=0.1, fold=2)
    # The test images do not depend on what is held out for validation.
    assert describe(dataset, note(dataset), test_fraction=0.2, val_fraction=0.2) == (
        "the data of the run: data.val_fraction was 0.1 in the run and is 0.2 in the configuration beside it"
    )
