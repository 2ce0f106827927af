import os

import numpy as np
import pytest

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
    real = module.decode_image
    monkeypatch.setattr(module, "decode_image", lambda *args, **kw: (calls.append(1), real(*args, **kw))[1])
    return calls


def decode(folder, cache_dir=None, *, keep=True, size=8):
    fingerprint = hash_files(folder.root, folder.names)[1]
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


@pytest.mark.parametrize("name", ["images.npy", "pixel_sums.npy", "record.json"])
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
    assert sorted(path.name for path in home.iterdir()) == ["images.npy", "pixel_sums.npy", "record.json"]
