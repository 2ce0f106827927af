import pytest
import torch
from coloured_folders import save_folder
from small_files import save_colours

from compression.artifact import load_artifact
from compression.commands.labelled_images import find_images, match_classes
from compression.core.errors import InputError
from compression.data.image_folder import ImageFolder

CONFIG = """
seed: 3
data:
  _target_: {target}
  stem: cifar
  root: {root}
  val_fraction: 0.25
  augment: {{crop_padding: 4}}
"""


@pytest.fixture
def artifact(tmp_path):
    save_colours(tmp_path / "model.cmp")
    return load_artifact(tmp_path / "model.cmp", allow=["colour_net"])


def record_run(folder, root, target="compression.data.image_folder.ImageFolder"):
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(CONFIG.format(root=root, target=target))


@pytest.mark.parametrize("given", [None, "images"])
def test_the_data_of_the_run_is_divided_as_the_run_did(artifact, tmp_path, given):
    root = save_folder(tmp_path / "images", {"blue": 12, "red": 20})
    record_run(tmp_path, root)
    given = given and str(root)
    found = find_images(given, artifact, run_folder=tmp_path, num_workers=0)
    own = ImageFolder(root=str(root), image_size=8, val_fraction=0.25).load(3)
    assert torch.equal(found.test.images, own.test.images)
    assert torch.equal(found.held_out.labels, own.val.labels)
    assert found.origin == f"{len(own.test)} test images of image_folder"


def test_a_run_with_a_named_normalization_is_read_as_its_file_says(artifact, tmp_path):
    record_run(tmp_path, save_folder(tmp_path / "images", {"blue": 12, "red": 20}))
    config = tmp_path / "config" / "config.yaml"
    config.write_text(config.read_text().replace("\n  root:", "\n  normalization: measured\n  root:"))
    assert len(find_images(None, artifact, run_folder=tmp_path, num_workers=0).test) == 7


def test_another_folder_is_not_the_runs(artifact, tmp_path):
    record_run(tmp_path, save_folder(tmp_path / "images", {"blue": 12, "red": 20}))
    other = save_folder(tmp_path / "other", {"blue": 1, "red": 2})
    found = find_images(str(other), artifact, run_folder=tmp_path, num_workers=0)
    assert (found.test.labels.tolist(), found.held_out) == ([0, 1, 1], None)
    [note] = found.notes
    assert note.startswith("all images of the folder count")


def test_a_named_dataset_has_its_own_classes(artifact, tmp_path):
    with pytest.raises(InputError, match=r"--data digits: its 10 classes are not the model's 2: it lacks blue, red; "):
        find_images("digits", artifact, run_folder=tmp_path, num_workers=0)


def test_digits_without_a_record_have_no_known_held_out_images(tmp_path):
    from compression.artifact import Artifact
    from compression.core.model_card import Architecture, InputSpec, ModelCard

    card = ModelCard(
        Architecture("none", 10), [str(digit) for digit in range(9, -1, -1)], InputSpec(8, [0.5] * 3, [0.5] * 3), {}
    )
    found = find_images("digits", Artifact(torch.nn.Identity(), card, (), 0), run_folder=tmp_path, num_workers=0)
    assert (len(found.test), found.held_out) == (360, None)
    # Label 9 - d for the digit d.
    from compression.data.digits import Digits

    assert torch.equal(found.test.labels, 9 - Digits(image_size=8).load(0).test.labels)


def test_code_of_a_record_never_runs(artifact, tmp_path):
    record_run(tmp_path, "x", target="os.system")
    with pytest.raises(InputError, match=r"the data of the run: os\.system is not a dataset of this package"):
        find_images(None, artifact, run_folder=tmp_path, num_workers=0)


def test_settings_that_do_not_fit_are_one_line(artifact, tmp_path):
    record_run(tmp_path, "x", target="compression.data.digits.Digits")
    with pytest.raises(InputError, match=r"the recorded settings do not fit Digits: .*'root'"):
        find_images(None, artifact, run_folder=tmp_path, num_workers=0)


def test_classes_are_matched_by_name():
    assert match_classes(["a", "b", "c"], ["c", "a", "b"], source="x") == [1, 2, 0]
    many = [f"class {index}" for index in range(1000)]
    with pytest.raises(InputError, match=r"^x: its 2 classes are not the model's 1000: it lacks .* and 995 more; "):
        match_classes(["a", "b"], many, source="x")


def test_images_of_a_folder_that_changed_are_not_held_out(tmp_path):
    for part, count in (("train", 8), ("test", 2)):
        save_folder(tmp_path / "images" / part, {"blue": count, "red": count})
    record_run(tmp_path, tmp_path / "images")
    dataset = ImageFolder(root=str(tmp_path / "images"))
    facts = {"name": dataset.name, "fingerprint": dataset.fingerprint()[:16]}
    save_colours(tmp_path / "model.cmp", info={"data": facts, "seed": 3})
    noted = load_artifact(tmp_path / "model.cmp", allow=["colour_net"])
    assert find_images(None, noted, run_folder=tmp_path, num_workers=0).held_out is not None
    save_folder(tmp_path / "images" / "train", {"red": 9})
    found = find_images(None, noted, run_folder=tmp_path, num_workers=0)
    assert (len(found.test), found.held_out) == (4, None)
    assert found.notes[-1].startswith("the data of the run: the images changed since the run")


def test_images_that_the_run_divided_are_refused_after_a_change(tmp_path):
    root = save_folder(tmp_path / "images", {"blue": 12, "red": 20})
    record_run(tmp_path, root)
    facts = {"name": "image_folder", "fingerprint": "0" * 16}
    save_colours(tmp_path / "model.cmp", info={"data": facts, "seed": 3})
    noted = load_artifact(tmp_path / "model.cmp", allow=["colour_net"])
    for given in (None, str(root)):
        with pytest.raises(InputError, match="the images changed since the run"):
            find_images(given, noted, run_folder=tmp_path, num_workers=0)


def test_a_folder_may_be_named_where_the_record_cannot_be_resolved(artifact, tmp_path, monkeypatch):
    monkeypatch.delenv("PLACE", raising=False)
    record_run(tmp_path, "${oc.env:PLACE}/images")
    images = save_folder(tmp_path / "images", {"blue": 1, "red": 2})
    with pytest.raises(InputError, match=r"data\.root cannot be resolved: Environment variable 'PLACE' not found"):
        find_images(None, artifact, run_folder=tmp_path, num_workers=0)
    assert len(find_images(str(images), artifact, run_folder=tmp_path, num_workers=0).test) == 3
    monkeypatch.setenv("PLACE", str(tmp_path))
    save_folder(images, {"blue": 12, "red": 20})
    assert find_images(None, artifact, run_folder=tmp_path, num_workers=0).held_out is not None
