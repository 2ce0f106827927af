import inspect
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder as Reference
from torchvision.transforms.v2 import functional

from compression.core.errors import InputError
from compression.data.image_folder import ImageFolder
from compression.data.image_formats import EXTENSIONS

AVIF = ".avif" in EXTENSIONS


def rows(split):
    labels = split.labels.tolist()
    return sorted((split.images[i].numpy().tobytes(), labels[i]) for i in range(len(split)))


@pytest.mark.parametrize("size", [32, 20])
def test_pixels_and_labels_are_those_of_torchvision(split_folder, size):
    data = ImageFolder(root=str(split_folder), image_size=size).load(0)
    assert [len(split) for split in (data.train, data.val, data.test)] == [36, 4, 10]
    reference = Reference(split_folder / "test")
    assert data.class_names == tuple(reference.classes)
    for i, (image, label) in enumerate(reference):
        expected = functional.pil_to_tensor(functional.resize(image, [size, size]))
        assert torch.equal(data.test.images[i], expected)
        assert data.test.labels[i] == label


def test_validation_is_stratified_and_follows_the_seed(split_folder):
    one, two = (ImageFolder(root=str(split_folder)).load(seed) for seed in (1, 2))
    assert torch.bincount(one.val.labels).tolist() == [2, 2]
    assert rows(one.val) != rows(two.val)
    assert rows(one.test) == rows(two.test)
    assert sorted(rows(one.train) + rows(one.val)) == sorted(rows(two.train) + rows(two.val))


def test_val_folder_is_taken_as_it_is(write_folder):
    root = write_folder({f"{part}/{name}": 4 for part in ("train", "val", "test") for name in "ab"})
    one, two = (ImageFolder(root=str(root)).load(seed) for seed in (1, 2))
    assert [len(split) for split in (one.train, one.val, one.test)] == [8, 8, 8]
    assert rows(one.val) == rows(two.val)


def test_plain_folder_is_split_by_content(write_folder):
    root = write_folder({"a": 30, "b": 20})
    one, two = (ImageFolder(root=str(root)).load(seed) for seed in (1, 2))
    assert [len(split) for split in (one.train, one.val, one.test)] == [36, 4, 10]
    assert torch.bincount(one.test.labels).tolist() == [6, 4]
    assert rows(one.test) == rows(two.test)
    assert rows(one.val) != rows(two.val)
    renamed = root.with_name("renamed")
    for folder in ("a", "b"):
        (renamed / folder).mkdir(parents=True)
        for i, path in enumerate(sorted((root / folder).iterdir(), reverse=True)):
            shutil.copy(path, renamed / folder / f"image{i}.png")
    assert rows(ImageFolder(root=str(renamed)).load(1).test) == rows(one.test)


def test_normalization_is_measured_without_val_and_test(split_folder):
    for resident in (True, False):
        data = ImageFolder(root=str(split_folder), resident=resident, std=[0.5, 0.5, 0.5]).load(3)
        images = torch.stack([data.train.images[i] for i in range(len(data.train))])
        assert data.mean == pytest.approx((images.double() / 255).mean(dim=(0, 2, 3)).tolist(), abs=1e-12)
        assert data.std == (0.5, 0.5, 0.5)


def test_streamed_equals_resident(split_folder, tmp_path):
    held = ImageFolder(root=str(split_folder), image_size=24).load(5, cache_dir=tmp_path / "cache")
    streamed = ImageFolder(root=str(split_folder), image_size=24, resident=False).load(5)
    assert held.train.resident
    assert not streamed.train.resident
    assert (held.mean, held.std) == (streamed.mean, streamed.std)
    for part in ("train", "val", "test"):
        one, two = getattr(held, part), getattr(streamed, part)
        assert torch.equal(one.labels, two.labels)
        assert all(torch.equal(one.images[i], two.images[i]) for i in range(len(one)))


def test_auto_streams_images_above_the_limit(write_folder):
    root = write_folder({"a": 5, "b": 5})
    assert ImageFolder(root=str(root), image_size=186, resident_limit_mib=1).load(0).train.resident
    assert not ImageFolder(root=str(root), image_size=188, resident_limit_mib=1).load(0).train.resident


def test_fingerprint_covers_names_and_content_but_not_the_root(split_folder, tmp_path):
    first = ImageFolder(root=str(split_folder)).fingerprint()
    moved = tmp_path / "moved"
    shutil.copytree(split_folder, moved)
    assert ImageFolder(root=str(moved)).fingerprint() == first
    path = moved / "train" / "cat" / "000.png"
    path.rename(path.with_name("zzz.png"))
    assert ImageFolder(root=str(moved)).fingerprint() != first
    path.with_name("zzz.png").rename(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert ImageFolder(root=str(moved)).fingerprint() != first


@pytest.fixture
def damaged_folder(split_folder):
    for name in ("train/cat/003.png", "test/dog/001.png"):
        content = (split_folder / name).read_bytes()
        (split_folder / name).write_bytes(content[: len(content) // 2])
    return split_folder


@pytest.mark.parametrize("resident", [True, False])
def test_damaged_images_are_named_or_left_out(damaged_folder, tmp_path, resident):
    dataset = ImageFolder(root=str(damaged_folder), resident=resident)
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            dataset.load(0, cache_dir=tmp_path / "cache")
        assert "2 damaged images: test/dog/001.png (" in str(caught.value)
        assert "train/cat/003.png (" in str(caught.value)
        assert "data.skip_corrupt=true" in str(caught.value)
        assert "\n" not in str(caught.value)
    dataset = ImageFolder(root=str(damaged_folder), resident=resident, skip_corrupt=True)
    data = dataset.load(0, cache_dir=tmp_path / "cache")
    assert [len(split) for split in (data.train, data.val, data.test)] == [35, 4, 9]
    assert data.warnings[0].startswith("2 damaged images left out: test/dog/001.png (")
    assert all(data.train.images[i].float().std() > 10 for i in range(35))


def test_class_that_loses_all_its_images(split_folder):
    for path in (split_folder / "test" / "dog").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="class dog has no readable image left for test"):
        ImageFolder(root=str(split_folder), skip_corrupt=True).load(0)


def test_warns_of_repeats_and_imbalance(write_folder):
    root = write_folder({"train/cat": 60, "train/dog": 4, "test/cat": 3, "test/dog": 3})
    shutil.copy(root / "train" / "cat" / "005.png", root / "test" / "cat" / "copy.png")
    warnings = ImageFolder(root=str(root)).load(0).warnings
    assert warnings == (
        "1 test image also in train, so test accuracy is too high: train/cat/005.png = test/cat/copy.png",
        "heavy imbalance: 60 training images of cat, 4 of dog (15.0 to 1)",
    )


def test_mixed_modes_and_sizes(write_folder):
    root = write_folder({"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2})
    home = root / "train" / "a"
    Image.new("L", (50, 20), 100).save(home / "grey.jpg")
    Image.new("RGBA", (7, 9), (10, 20, 30, 128)).save(home / "see_through.png")
    palette = Image.new("RGB", (200, 200), (5, 6, 7)).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(home / "palette.bmp")
    Image.fromarray(np.full((1200, 1600, 3), 77, np.uint8)).save(home / "huge.webp", lossless=True)
    data = ImageFolder(root=str(root), val_fraction=0.01, fit="crop", background=None).load(0)
    images = torch.cat([data.train.images, data.val.images])
    flat = {tuple(image[:, 5, 5].tolist()) for image in images if image.float().std(dim=(1, 2)).max() == 0}
    assert flat == {(100, 100, 100), (10, 20, 30), (5, 6, 7), (77, 77, 77)}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no such folder"),
        ({"cat": 5}, "has one class"),
        ({"cat": 5, "dog": 0}, "class dog is empty"),
        ({"cat": 5, "dog": 1}, "class dog has fewer than 3 images"),
    ],
)
def test_check_refuses_before_any_image_is_opened(write_folder, monkeypatch, counts, message):
    root = write_folder(counts)
    monkeypatch.setattr("PIL.Image.open", lambda *_: pytest.fail("opened an image"))
    with pytest.raises(InputError, match=message):
        ImageFolder(root=str(root)).check()


def test_groups_are_checked_against_the_folders(split_folder):
    with pytest.raises(InputError, match=r"class_groups\.birds=owl: allowed is one of the classes cat, dog"):
        ImageFolder(root=str(split_folder), class_groups={"birds": ["owl"]}).check()
    data = ImageFolder(root=str(split_folder), class_groups={"pets": ["cat", "dog"]}).load(0)
    assert data.class_groups == {"pets": ("cat", "dog")}


def test_formats_that_came_later_are_read(write_folder):
    root = write_folder({"train/a": 3, "train/b": 3, "test/a": 1, "test/b": 1})
    home = root / "train" / "a"
    frames = [Image.new("RGB", (9, 9), colour) for colour in ((250, 0, 0), (0, 0, 250))]
    frames[0].save(home / "anim.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (9, 9), (0, 250, 0)).save(home / "photo.jfif", format="JPEG", quality=95)
    if AVIF:
        Image.new("RGB", (9, 9), (240, 240, 0)).save(home / "new.avif", quality=95)
    data = ImageFolder(root=str(root), val_fraction=0.01).load(0)
    images = torch.cat([data.train.images, data.val.images])
    flat = [image.float().mean(dim=(1, 2)) for image in images if image.float().std(dim=(1, 2)).max() < 2]
    # JPEG and AVIF do not store exact values.
    found = {tuple((colour > 128).tolist()) for colour in flat}
    assert found == {(True, False, False), (False, True, False), *([(True, True, False)] if AVIF else [])}


def test_an_image_under_two_labels_is_refused_unless_allowed(split_folder):
    shutil.copy(split_folder / "train" / "cat" / "004.png", split_folder / "train" / "dog" / "copy.png")
    with pytest.raises(
        InputError, match=r"1 image with the content of .*: train/cat/004.png = train/dog/copy.png; rem"
    ):
        ImageFolder(root=str(split_folder)).load(0)
    data = ImageFolder(root=str(split_folder), allow_conflicts=True).load(0)
    assert len(data.train) + len(data.val) == 41
    assert data.warnings[0].startswith("1 image with the content of an image of another class")


def test_skip_corrupt_leaves_links_out_too(split_folder):
    (split_folder / "train" / "cat" / "dead.png").symlink_to("nowhere")
    (split_folder / "train" / "cat" / "loop").symlink_to(split_folder)
    with pytest.raises(InputError, match="2 paths that cannot be used"):
        ImageFolder(root=str(split_folder)).check()
    data = ImageFolder(root=str(split_folder), skip_corrupt=True).load(0)
    assert len(data.train) + len(data.val) == 40
    assert data.warnings == (
        "2 paths left out: train/cat/dead.png (dead link), train/cat/loop (link to a folder around it)",
    )


def test_a_file_that_cannot_be_read_is_damaged(split_folder, monkeypatch):
    real = Path.read_bytes

    def refuse(path):
        if path.name == "013.png" and path.parent.name == "dog":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"1 damaged image: train/dog/013.png \(cannot be read: Permission denied\)"):
        ImageFolder(root=str(split_folder)).load(0)
    data = ImageFolder(root=str(split_folder), skip_corrupt=True).load(0)
    assert len(data.train) + len(data.val) == 39


def test_an_eps_file_with_another_name_starts_no_program(split_folder, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("started a program"))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("started a program"))
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (split_folder / "train" / "cat" / "page.tif").write_bytes(text)
    with pytest.raises(InputError, match=r"1 damaged image: train/cat/page.tif \(cannot identify image\)"):
        ImageFolder(root=str(split_folder)).load(0)


def test_patterns_change_the_files_and_the_fingerprint(write_folder):
    root = write_folder({"a": 6, "b": 6})
    first = ImageFolder(root=str(root)).fingerprint()
    shutil.copy(root / "a" / "001.png", root / "a" / "001_mask.png")
    assert ImageFolder(root=str(root)).fingerprint() != first
    dataset = ImageFolder(root=str(root), exclude=["*_mask.png"])
    assert dataset.fingerprint() == first
    data = dataset.load(0)
    assert len(data.train) + len(data.val) + len(data.test) == 12


def test_groups_stay_on_one_side_of_every_split(write_folder):
    root = write_folder({"a": 24, "b": 16})
    for name in "ab":
        for index, path in enumerate(sorted((root / name).iterdir())):
            path.rename(path.with_name(f"part{index // 4}_{index}.png"))
    for seed in range(3):
        dataset = ImageFolder(root=str(root), group_pattern=r"(\w/part\d+)_", val_fraction=0.25)
        found = dataset.examine(seed)
        homes = {}
        for part, rows in found.parts.items():
            for row in rows.tolist():
                homes.setdefault(found.listing.names[row].partition("_")[0], set()).add(part)
        assert len(homes) == 10
        assert all(len(parts) == 1 for parts in homes.values())
        assert {part: len(rows) for part, rows in found.parts.items()} == {"train": 24, "val": 8, "test": 8}
    with pytest.raises(InputError, match="class a, b has fewer than 3 groups"):
        ImageFolder(root=str(root), group_pattern=r"^(\w)/").check()


def test_groups_that_folders_divide_are_told(write_folder):
    root = write_folder({"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2})
    pattern = r"(\w/00\d)\.png"
    data = ImageFolder(root=str(root), group_pattern=pattern).load(0)
    assert data.warnings == ("4 groups of data.group_pattern with images in two parts: a/000, a/001, b/000 and 1 more",)


def test_shapes_are_those_of_the_originals(write_folder, split_folder):
    assert ImageFolder(root=str(split_folder)).load(0).shapes == "square"
    root = write_folder({"a": 5, "b": 5}, size=(40, 20), name="wide")
    Image.new("RGB", (10, 20)).save(root / "a" / "high.png")
    assert ImageFolder(root=str(root)).load(0).shapes == "1:2 to 2:1, padded on white"


def test_added_arguments_are_at_their_defaults():
    defaults = {name: one.default for name, one in inspect.signature(ImageFolder).parameters.items()}
    assert {name: defaults[name] for name in ImageFolder.added} == ImageFolder.added


def save_flat(path, size, colour, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def wide_folder(tmp_path):
    """Black training images of 3:1 and square test images, two classes."""
    for label, name in enumerate("ab"):
        for index in range(4):
            save_flat(tmp_path / "wide" / "train" / name / f"{index}.png", (48 + 4 * label + index, 16), (0, 0, 0))
        save_flat(tmp_path / "wide" / "test" / name / "0.png", (16 + label, 16 + label), (0, 0, 0))
    return tmp_path / "wide"


def test_fit_is_decided_by_the_formats_of_training_images(wide_folder, split_folder):
    assert ImageFolder(root=str(wide_folder)).fit == "pad"
    assert ImageFolder(root=str(split_folder)).fit == "crop"
    assert ImageFolder(root=str(wide_folder), fit="stretch").fit == "stretch"
    shutil.rmtree(wide_folder / "train")
    (wide_folder / "test").rename(wide_folder / "train")
    shutil.copytree(wide_folder / "train", wide_folder / "test")
    assert ImageFolder(root=str(wide_folder)).fit == "crop"


@pytest.mark.parametrize("resident", [True, False])
def test_padded_grey_images_have_one_channel_and_white_bars(wide_folder, resident):
    dataset = ImageFolder(root=str(wide_folder), image_size=16, channels=1, resident=resident, val_fraction=0.25)
    data = dataset.load(0)
    image = data.train.images[0]
    assert image.shape == (1, 16, 16)
    assert image[0, :, 0].tolist() == [255] * 5 + [0] * 5 + [255] * 6
    # Eleven of sixteen rows are white in every training image.
    assert data.mean == pytest.approx((11 / 16,))
    assert len(data.std) == 1


def test_what_is_decided_stands_in_stage_keys_only_where_it_may_matter(wide_folder, split_folder):
    def decided(root, **options):
        return dict(ImageFolder(root=str(root), **options).decided)

    assert decided(split_folder) == decided(split_folder, fit="crop") == {"fit": None, "background": None}
    assert decided(wide_folder, fit="crop") == {"fit": None, "background": None}
    assert decided(wide_folder) == {"fit": "pad", "background": [255, 255, 255]}
    assert decided(wide_folder, background=None) == {"fit": "pad", "background": "black"}
    assert decided(wide_folder, fit="stretch", background="white") == {"fit": "stretch", "background": None}
    # Files keep the colour for later images.
    assert decided(wide_folder, fit="stretch", background="black") == {"fit": "stretch", "background": [0, 0, 0]}
    assert decided(split_folder, background=None) == {"fit": None, "background": "dropped"}
    save_flat(split_folder / "train" / "cat" / "through.png", (32, 32), (1, 2, 3, 0), mode="RGBA")
    assert decided(split_folder) == {"fit": None, "background": [255, 255, 255]}
    assert decided(split_folder, background=None) == {"fit": None, "background": None}


def test_transparent_images_lie_on_the_background(split_folder):
    for side, name in ((32, "cat"), (33, "dog")):
        save_flat(split_folder / "val" / name / "through.png", (side, side), (9, 9, 9, 0), mode="RGBA")
    for background, level in (("white", 255), ([7, 7, 7], 7), (None, 9)):
        data = ImageFolder(root=str(split_folder), background=background).load(0)
        assert data.val.images.unique().tolist() == [level]


def test_images_without_a_known_range_are_refused_with_the_range_of_all(split_folder, tmp_path):
    for name, values in (("cat", (-0.5, 1.0)), ("dog", (0.0, 4.5))):
        pixels = np.full((32, 32), values[0], np.float32)
        pixels[0, 0] = values[1]
        Image.fromarray(pixels).save(split_folder / "train" / name / "x.tif")
    for options in ({}, {"skip_corrupt": True}):
        with pytest.raises(InputError) as caught:
            ImageFolder(root=str(split_folder), **options).load(0, cache_dir=tmp_path / "cache")
        assert "2 images hold floats from -0.5 to 4.5 (first train/cat/x.tif)" in str(caught.value)
        assert "allowed is data.value_range=[low, high]" in str(caught.value)
    data = ImageFolder(root=str(split_folder), value_range=[-0.5, 4.5]).load(0, cache_dir=tmp_path / "cache")
    assert sum(map(len, (data.train, data.val))) == 42


def test_the_cache_knows_how_images_were_prepared(wide_folder, tmp_path):
    levels = {
        fit: ImageFolder(root=str(wide_folder), fit=fit)
        .load(0, cache_dir=tmp_path / "cache")
        .train.images.float()
        .mean()
        for fit in ("pad", "crop", "pad", "stretch")
    }
    assert levels["pad"] > 100
    assert levels["crop"] == levels["stretch"] == 0
