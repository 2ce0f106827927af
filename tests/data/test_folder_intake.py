import shutil

import numpy as np
import torch
from PIL import Image

from compression.data.folder_intake import inspect_folder
from compression.data.hashing import hash_files
from compression.data.image_scan import decode_files
from compression.data.listing import list_folder


def inspect(root, *, groups=None):
    listing = list_folder(root)
    decoded = decode_files(root, listing.names, image_size=32, keep=False, fingerprint="")
    rows = [row for row in range(len(listing.names)) if row not in decoded.damaged]
    parts = {part: torch.tensor([i for i in rows if listing.parts[i] == part]) for part in ("train", "val", "test")}
    digests = hash_files(root, listing.names).digests
    return inspect_folder(listing, decoded, parts, digests=digests, groups=groups, pixels_per_image=32 * 32)


def write_photographs(root, *names):
    generator = np.random.default_rng(3)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        small = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(root / name)


def make_folder(root):
    parts = ("train", "val", "test")
    write_photographs(root, *(f"{part}/{name}/{i}.png" for part in parts for name in "ab" for i in range(6)))
    return root


def test_a_clean_folder_has_no_findings(tmp_path):
    intake = inspect(make_folder(tmp_path))
    assert intake.list_warnings() == ()
    assert (intake.num_images, intake.train_counts) == (36, {"a": 12, "b": 12})


def test_each_finding_is_put_in_its_place(tmp_path):
    root = make_folder(tmp_path)
    shutil.copy(root / "train" / "a" / "0.png", root / "test" / "a" / "same.png")
    shutil.copy(root / "train" / "a" / "1.png", root / "train" / "b" / "other.png")
    with Image.open(root / "train" / "a" / "2.png") as image:
        image.resize((48, 48)).save(root / "val" / "a" / "smaller.jpg")
    with Image.open(root / "val" / "b" / "3.png") as image:
        image.save(root / "test" / "b" / "again.bmp")
    for index in range(2):
        Image.new("L", (20, 20), 9).save(root / "train" / "b" / f"blank{index}.png")
    (root / "val" / "b" / "broken.png").write_bytes(b"x")
    (root / "test" / "b" / "dead.png").symlink_to("nowhere")
    (root / "test" / "b" / "x.tga").write_bytes(b"x")
    intake = inspect(root)
    assert [(one.first, one.second, one.pairs) for one in intake.overlaps] == [
        ("train", "test", (("train/a/0.png", "test/a/same.png"),))
    ]
    assert [(one.first, one.second, one.pairs) for one in intake.near] == [
        ("train", "val", (("train/a/2.png", "val/a/smaller.jpg"),)),
        ("val", "test", (("val/b/3.png", "test/b/again.bmp"),)),
    ]
    assert intake.conflicts == (("train/a/1.png", "train/b/other.png"),)
    assert intake.constant == ("train/b/blank0.png", "train/b/blank1.png")
    assert {frozenset(pair) for pair in intake.equal} == {
        frozenset(pair)
        for pair in (
            ("train/a/0.png", "test/a/same.png"),
            ("train/a/1.png", "train/b/other.png"),
            ("val/b/3.png", "test/b/again.bmp"),
        )
    }
    assert intake.damaged == {"val/b/broken.png": "cannot identify image"}
    assert intake.faults == {"test/b/dead.png": "dead link"}
    assert intake.passed_over.unread == {"tga": 1}


def test_groups_in_two_parts(tmp_path):
    root = make_folder(tmp_path)
    groups = [name.rpartition("/")[2] if "5" in name else name for name in list_folder(root).names]
    assert inspect(root, groups=groups).straddling == ("5.png",)
