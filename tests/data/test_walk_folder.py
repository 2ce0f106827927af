import os
from collections import Counter

import pytest

from compression.data import walk_folder as module
from compression.data.path_patterns import PathPatterns
from compression.data.walk_folder import Walk, list_subfolders, walk_folder


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_images_at_any_depth_and_what_is_passed_over(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/deep/2.PNG", "a/3.gif", "a/4.tga", "a/5.TGA", "a/6.jp2", "a/7.jpe", "a/notes.txt")
    touch(tmp_path, "a/.hidden.png", "a/.cache/8.png", "a/@eaDir/9.png", "a/__MACOSX/10.png", "a/none")
    found = walk_folder(tmp_path, "a")
    assert sorted(found.images) == ["a/1.jpg", "a/3.gif", "a/deep/2.PNG"]
    assert found.faults == {}
    passed = found.passed_over
    assert passed.unread == Counter(tga=2, jp2=1, jpe=1)
    assert passed.others == Counter({"txt": 1, "": 1})
    assert (passed.hidden, passed.system, passed.unwanted) == (2, 2, 0)


def test_patterns_leave_images_out(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/1_mask.png")
    found = walk_folder(tmp_path, patterns=PathPatterns(exclude=("*_mask.*",)))
    assert (found.images, found.passed_over.unwanted) == (["a/1.jpg"], 1)


def test_links_are_followed_but_not_back(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "away/3.jpg")
    root = tmp_path / "root"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).symlink_to(tmp_path / name)
    (tmp_path / "a" / "other.jpg").symlink_to(tmp_path / "away" / "3.jpg")
    (tmp_path / "a" / "away").symlink_to(tmp_path / "away")
    (tmp_path / "a" / "up").symlink_to(root)
    (tmp_path / "a" / "here").symlink_to(tmp_path / "a")
    (tmp_path / "away" / "sideways").symlink_to(tmp_path / "a")
    found = walk_folder(root)
    assert sorted(found.images) == ["a/1.jpg", "a/away/3.jpg", "a/other.jpg", "b/2.jpg"]
    assert found.faults == dict.fromkeys(("a/up", "a/here", "a/away/sideways"), "link to a folder around it")


def test_dead_links_links_to_themselves_and_pipes(tmp_path):
    touch(tmp_path, "a/1.jpg")
    for name, target in {"dead.jpg": "nowhere", "gone": "nowhere", "notes.txt": "nowhere", "self": "self"}.items():
        (tmp_path / "a" / name).symlink_to(target)
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    found = walk_folder(tmp_path, "a")
    assert found.images == ["a/1.jpg"]
    assert found.faults == {
        "a/dead.jpg": "dead link",
        "a/gone": "dead link",
        "a/pipe.jpg": "neither a file nor a folder",
        "a/self": "link that cannot be followed (Too many levels of symbolic links)",
    }


@pytest.mark.skipif(os.name == "nt", reason="names are not bytes there")
def test_names_that_are_not_utf8(tmp_path):
    for name in (b"caf\xe9.jpg", b"caf\xe9.txt", "café.jpg".encode()):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    (tmp_path / os.fsdecode(b"d\xe9p\xf4t")).mkdir()
    found = walk_folder(tmp_path)
    assert found.images == ["café.jpg"]
    assert found.faults == {
        "caf\udce9.jpg": "file whose name is not UTF-8",
        "d\udce9p\udcf4t": "folder whose name is not UTF-8",
    }


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    real = os.scandir

    def refuse(folder):
        if folder.endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(module.os, "scandir", refuse)
    found = walk_folder(tmp_path)
    assert (found.images, found.faults) == (["a/1.jpg"], {"b": "folder cannot be read (Permission denied)"})


def test_subfolders_are_sorted_and_the_images_beside_them_counted(tmp_path):
    touch(tmp_path, "p/b/1.jpg", "p/a/2.jpg", "p/.git/3.jpg", "p/@eaDir/4.jpg", "p/5.jpg", "p/6.tga", "p/readme.md")
    (tmp_path / "p" / "all").symlink_to(tmp_path)
    (tmp_path / "p" / "gone").symlink_to("nowhere")
    walk = Walk()
    assert list_subfolders(tmp_path, "p", into=walk) == ["a", "b"]
    assert walk.faults == {"p/all": "link to a folder around it", "p/gone": "dead link"}
    assert walk.passed_over.homeless == {"p": 1}
    assert (walk.passed_over.unread, walk.passed_over.others) == ({"tga": 1}, {"md": 1})
