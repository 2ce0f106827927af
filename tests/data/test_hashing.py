import hashlib
import os

import pytest

from compression.data import hashing
from compression.data.hashing import count_threads, hash_files, map_chunks

FILES = {"a.png": b"first", "b/c.png": b""}


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def whole_of(root, files):
    return hash_files(write(root, files), list(files)).fingerprint


def test_by_hand(tmp_path):
    found = hash_files(write(tmp_path, FILES), list(FILES))
    first, second = (hashlib.sha256(content).hexdigest() for content in FILES.values())
    assert (found.digests, found.unreadable) == ([first, second], {})
    assert found.fingerprint == hashlib.sha256(f"a.png\0005\0{first}\nb/c.png\0000\0{second}\n".encode()).hexdigest()


def test_hash_covers_names_and_contents_but_not_the_root(tmp_path):
    whole = whole_of(tmp_path / "here", FILES)
    assert whole_of(tmp_path / "there", FILES) == whole
    assert whole_of(tmp_path / "renamed", {"z.png": b"first", "b/c.png": b""}) != whole
    assert whole_of(tmp_path / "changed", FILES | {"a.png": b"forst"}) != whole
    assert whole_of(tmp_path / "swapped", {"a.png": b"", "b/c.png": b"first"}) != whole


def test_more_files_than_one_chunk(tmp_path):
    names = [f"{k}" for k in range(300)]
    found = hash_files(write(tmp_path, {name: name.encode() for name in names}), names)
    assert found.digests == [hashlib.sha256(name.encode()).hexdigest() for name in names]


def test_a_file_that_cannot_be_read_has_a_reason_and_counts_in_the_fingerprint(tmp_path):
    (tmp_path / "folder.png").mkdir()
    write(tmp_path, FILES)
    found = hash_files(tmp_path, [*FILES, "folder.png", "nowhere.png"])
    assert found.digests[2:] == ["", ""]
    assert found.unreadable == {
        2: "cannot be read: Is a directory",
        3: "cannot be read: No such file or directory",
    }
    assert found.fingerprint != hash_files(tmp_path, list(FILES)).fingerprint
    assert found.fingerprint != whole_of(tmp_path, {**FILES, "empty.png": b"", "none.png": b""})


@pytest.mark.parametrize(("length", "spans"), [(0, []), (3, [(0, 3)]), (4, [(0, 4)]), (9, [(0, 4), (4, 8), (8, 9)])])
def test_chunks_follow_one_another(length, spans):
    assert map_chunks(lambda start, stop: (start, stop), length, chunk=4) == spans


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins no process to cores")
@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (5, 5), (64, 16)])
def test_number_of_threads_follows_the_usable_cores(monkeypatch, cores, threads):
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _: set(range(cores)))
    assert count_threads() == threads
