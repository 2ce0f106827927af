from pathlib import Path

import pytest

from compression.commands.run_settings import UnresolvedError, read_run_settings
from compression.core.errors import InputError

CONFIG = """
seed: 7
data:
  _target_: compression.data.image_folder.ImageFolder
  stem: cifar
  root: my_images
  val_fraction: 0.2
"""


def save(folder, text):
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "config.yaml").write_text(text)
    return folder


def test_the_data_of_a_run(tmp_path):
    found = read_run_settings(save(tmp_path / "run", CONFIG))
    assert found.target == "compression.data.image_folder.ImageFolder"
    assert found.arguments == {"root": "my_images", "val_fraction": 0.2}
    assert (found.seed, found.root, found.cache) == (7, Path("my_images"), None)


@pytest.mark.parametrize("run", ["run", "sweep/job"])
def test_decoded_images_are_found_in_the_store_of_the_run(tmp_path, run):
    (tmp_path / "store" / "data").mkdir(parents=True)
    assert read_run_settings(save(tmp_path / run, CONFIG)).cache == tmp_path.resolve() / "store" / "data"


def test_a_folder_without_a_record_has_no_settings(tmp_path):
    assert read_run_settings(tmp_path) is None


@pytest.mark.parametrize("text", ["", "data: [", "seed: 1", "data: {root: x}\nseed: 1", CONFIG.replace("7", "x")])
def test_a_damaged_record_is_one_line(tmp_path, text):
    with pytest.raises(InputError, match=r"config\.yaml is not the configuration of a run: "):
        read_run_settings(save(tmp_path, text))


def test_a_variable_of_the_environment_is_read(tmp_path, monkeypatch):
    save(tmp_path, CONFIG.replace("my_images", "'${oc.env:PLACE}/imgs'"))
    monkeypatch.setenv("PLACE", "/disk")
    assert read_run_settings(tmp_path).root == Path("/disk/imgs")
    monkeypatch.delenv("PLACE")
    with pytest.raises(UnresolvedError) as caught:
        read_run_settings(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'config' / 'config.yaml'}: data.root cannot be resolved: Environment variable 'PLACE' not found; "
        "set it, or name the images with --data FOLDER"
    )
