import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from compression.core.preparation import Preparation
from compression.data import image_scan as module
from compression.data.hashing import hash_files
from compression.data.image_scan import decode_files
from compression.data.listing import list_folder


@pytest.fixture
def folder(write_folder):
    root = write_folder({"a": 40, "b": 30}, size=(8, 8))
    (root / "b" / "010.png").write_bytes(b"broken")
    return list_folder(root)


@pytest.fixture
def count_decodes(monkeypatch):
    calls = []
    real = module.decode_with_facts
    monkeypatch.setattr(module, "decode_with_facts", lambda *args, **kw: (calls.append(1), real(*args, **kw))[1])
    return calls


def decode(folder, cache_dir=None, *, keep=True, size=8):
    fingerprint = hash_files(folder.root, folder.names).fingerprint
    return decode_files(
        folder.root,
        folder.names,
        image_size=size,
        keep=keep,
        fingerprint=fingerprint,
        cache_dir=cache_dir,
    )


def assert_equal(one, other):
    assert np.array_equal(one.pixel_sums, other.pixel_sums)
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.facts, other.facts)
    assert np.array_equal(one.thumbnails, other.thumbnails)
    assert one.damaged == other.damaged


def test_second_pass_reads_the_cache(folder, tmp_path, count_decodes):
    plain = decode(folder)
    assert plain.damaged == {50: "cannot identify image"}
    first = decode(folder, tmp_path / "cache")
    assert len(count_decodes) == 140
    second = decode(folder, tmp_path / "cache")
    assert len(count_decodes) == 140
    assert_equal(first, plain)
    assert_equal(second, plain)


def test_cache_without_pixels_serves_only_streaming(folder, tmp_path, count_decodes):
    decode(folder, tmp_path, keep=False)
    assert decode(folder, tmp_path, keep=False).images is None
    assert len(count_decodes) == 70
    assert decode(folder, tmp_path).images is not None
    assert len(count_decodes) == 140
    decode(folder, tmp_path, keep=False)
    assert len(count_decodes) == 140


def test_other_size_or_content_is_another_cache(folder, tmp_path, count_decodes):
    decode(folder, tmp_path)
    decode(folder, tmp_path, size=16)
    (folder.root / "a" / "000.png").write_bytes((folder.root / "a" / "001.png").read_bytes())
    decode(folder, tmp_path)
    assert len(count_decodes) == 210


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["images.npy", "pixel_sums.npy", "facts.npy", "thumbnails.npy", "record.json"])
@pytest.mark.parametrize("harm", [truncate, flip_a_bit, lambda path: path.unlink()])
def test_damaged_cache_is_rebuilt(folder, tmp_path, name, harm):
    expected = decode(folder, tmp_path)
    images = expected.images.copy()
    (path,) = tmp_path.glob(f"*/{name}")
    harm(path)
    again = decode(folder, tmp_path)
    assert np.array_equal(again.images, images)
    assert again.damaged == expected.damaged


@pytest.mark.parametrize(
    "text", ["[]", "[" * 100_000, '{"sha256": {}, "damaged": {}}', '{"sha256": {}, "damaged": {"x": ""}}']
)
def test_a_cache_whose_record_is_of_another_kind_is_remade(folder, tmp_path, text):
    expected = decode(folder, tmp_path)
    damaged, sums = expected.damaged, expected.pixel_sums.copy()
    (path,) = tmp_path.glob("*/record.json")
    written = path.read_text()
    path.write_text(text)
    again = decode(folder, tmp_path)
    assert (again.damaged, path.read_text()) == (damaged, written)
    assert np.array_equal(again.pixel_sums, sums)


def test_stopped_pass_leaves_no_cache_and_old_scratch_is_removed(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "_hash_file", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            decode(folder, tmp_path / "cache")
    (home,) = (tmp_path / "cache").iterdir()
    assert list(home.iterdir()) == []
    stale = home / "tmp-old"
    stale.mkdir()
    (stale / "images.npy").write_bytes(b"x")
    os.utime(stale, (0, 0))
    decode(folder, tmp_path / "cache")
    assert sorted(path.name for path in home.iterdir()) == [
        *("facts.npy", "images.npy", "pixel_sums.npy", "record.json", "thumbnails.npy")
    ]


def test_a_pass_with_pixels_reads_its_own_after_another_without(folder, tmp_path, monkeypatch):
    expected = decode(folder)
    real = module._write_cache

    def write_before_another(*args):
        made = real(*args)
        # Another process with data.resident=false looked for pixels before this one left them, and ends now.
        with monkeypatch.context() as patch:
            patch.setattr(module, "_write_cache", real)
            patch.setattr(module, "_read_cache", lambda *_, **__: None)
            decode(folder, tmp_path / "cache", keep=False)
            (record,) = tmp_path.glob("cache/*/record.json")
            assert "images.npy" not in record.read_text()
        return made

    monkeypatch.setattr(module, "_write_cache", write_before_another)
    assert_equal(decode(folder, tmp_path / "cache"), expected)


def test_a_pass_without_pixels_leaves_the_pixels_of_another_process(folder, tmp_path, monkeypatch, count_decodes):
    real = module._decode

    def decode_beside_another(root, names, shape, images, preparation):
        if images is None:
            # Another process with data.resident=auto ends in the meantime.
            decode(folder, tmp_path / "cache")
        return real(root, names, shape, images, preparation)

    monkeypatch.setattr(module, "_decode", decode_beside_another)
    assert decode(folder, tmp_path / "cache", keep=False).images is None
    assert len(count_decodes) == 140
    assert decode(folder, tmp_path / "cache").images is not None
    assert len(count_decodes) == 140


@pytest.mark.parametrize("step", ["stat", "iterdir", "unlink", "rmdir"])
def test_scratch_that_another_process_removes_too_is_no_error(tmp_path, monkeypatch, step):
    home = tmp_path / "cache"
    stale = home / "tmp-old"
    stale.mkdir(parents=True)
    (stale / "images.npy").write_bytes(b"x")
    os.utime(stale, (0, 0))
    real = getattr(pathlib.Path, step)

    def remove_first(path, *args, **settings):
        if path in (stale, stale / "images.npy"):
            shutil.rmtree(stale, ignore_errors=True)
        return real(path, *args, **settings)

    monkeypatch.setattr(pathlib.Path, step, remove_first)
    module._remove_stale(home)
    assert not stale.exists()


def test_a_cache_of_an_earlier_version_without_facts_is_remade(folder, tmp_path, count_decodes):
    expected = decode(folder, tmp_path)
    (path,) = tmp_path.glob("*/record.json")
    record = json.loads(path.read_text())
    del record["sha256"]["facts.npy"], record["sha256"]["thumbnails.npy"]
    path.write_text(json.dumps(record))
    assert_equal(decode(folder, tmp_path), expected)
    assert len(count_decodes) == 140


def test_facts_and_thumbnails_are_those_of_each_file(write_folder):
    root = write_folder({"a": 1, "b": 1}, size=(8, 6))
    Image.new("L", (30, 10), 90).save(root / "b" / "grey.jpg")
    listing = list_folder(root)
    (root / "a" / "000.png").unlink()
    found = decode(listing)
    assert found.damaged == {0: "cannot be read: No such file or directory"}
    assert found.facts.tolist() == [(0, 0, b"", b"", 0), (8, 6, b"PNG", b"RGB", 0), (30, 10, b"JPEG", b"L", 0)]
    assert found.thumbnails[0].max() == 0
    assert np.unique(found.thumbnails[2]).tolist() == [90]


def test_thumbnails_of_padded_images_leave_the_ground_out(tmp_path):
    levels = 3 * np.arange(32)[:, None] + 2 * np.arange(64)
    Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "wide.png")
    found = {}
    for fit in ("pad", "stretch"):
        prepared = Preparation(channels=1, fit=fit, background=(255, 255, 255))
        decoded = decode_files(tmp_path, ["wide.png"], image_size=32, keep=True, fingerprint="x", preparation=prepared)
        assert decoded.images is not None
        found[fit] = decoded.thumbnails[0].astype(int)
    # The largest level of the image is 219, that of its ground 255.
    assert found["pad"].max() < 219
    assert abs(found["pad"] - found["stretch"]).max() <= 3
