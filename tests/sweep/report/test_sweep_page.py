"""The page of a sweep: complete, small, escaped, and the same for the same records."""

import html
import json
import shlex
import time

import pytest
from page_records import EVIL
from page_text import Elements
from sweep_folders import Folder, make_grid

from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_report import write_html
from compression.sweep.report.sweep_result import make_result


def write(folder):
    return write_html(make_result(read_records(folder)))


def read_data(elements):
    return json.loads(elements.scripts[0])


def test_every_configuration_is_in_the_leaderboard_and_in_every_chart(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.7, 0.9], bits=[6, 8])
    elements = Elements(write(tmp_path / "grid").read_text())
    rows = [attrs["data-id"] for tag, attrs in elements.tags if tag == "tr" and "data-id" in attrs]
    assert rows == [str(index) for index in range(12)]
    data = read_data(elements)
    assert [row["id"] for row in data["rows"]] == list(range(12))
    assert set(data["specs"]) == {"front-sparsity", "front-bytes", "front-latency", "parallel", "steps"}
    for name in ("front-sparsity", "front-bytes", "front-latency"):
        points = [row for one in data["specs"][name]["data"][:2] for row in one["values"]]
        assert sorted(point["id"] for point in points) == list(range(12))
    assert {line["id"] for line in data["specs"]["parallel"]["data"][0]["values"]} == set(range(12))
    ids = {number for point in data["specs"]["steps"]["data"][0]["values"] for number in point["ids"]}
    # Only the grid recorded its steps; 3 prunings have 2 configurations each.
    assert len(ids) == 6


def test_the_page_says_what_to_ship(tmp_path, metrics):
    folder = Folder(tmp_path / "two", {"sparsity": [0.5, 0.9]})
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.97, accuracy=0.96, num_bytes=2**20))
    folder.add("b", {"sparsity": 0.9}, metrics=metrics(val=0.96, accuracy=0.95, num_bytes=2**19))
    text = Elements(write(folder.path).read_text()).text
    assert "The best balance of size and accuracy is s90: 16.00x smaller than the dense model (512.0 KiB)" in text
    assert "2 of 2 jobs have finished" in text
    # Values to filter by: validation accuracy in percent, and KiB.
    numbers = read_data(Elements(write(folder.path).read_text()))["rows"][1]["numbers"]
    assert numbers == {
        "accuracy": pytest.approx(96.0),
        "lost": pytest.approx(2.5),
        "kib": 512.0,
        "milliseconds": 0.5,
        "sparsity": 50.0,
    }


def test_links_lead_to_files_that_exist(tmp_path, metrics):
    folder = Folder(tmp_path / "links", {"sparsity": [0.5, 0.9]})
    folder.add("a b", {"sparsity": 0.5}, metrics=metrics())
    folder.add("c", {"sparsity": 0.9}, metrics=metrics())
    folder.write("a b", "model.cmp", "x")
    folder.write("a b", "report.html", "x")
    loaded = Elements(write(folder.path).read_text()).loaded()
    assert set(loaded) == {"a%20b/model.cmp", "a%20b/report.html"}


def test_names_from_records_are_only_text(tmp_path, metrics):
    folder = Folder(tmp_path / "evil", {EVIL: [EVIL, "</script>"]})
    history = [{"step": step, "sparsity": 0.1 * step, "accuracy_after": 0.9} for step in (1, 2)]
    folder.add("a", {EVIL: EVIL}, metrics=metrics(history=history, prune="p1"))
    folder.add("b", {EVIL: "</script>"}, metrics=metrics(history=history, prune="p2", val=0.9))
    folder.add("c", {EVIL: "x"}, status="failed", reason=EVIL)
    elements = Elements(write(folder.path).read_text())
    # Data, Vega, and the page's own script.
    assert sum(tag == "script" for tag, _ in elements.tags) == 3
    assert "<" not in elements.scripts[0]
    assert EVIL in elements.text
    settings = [row["settings"] for row in read_data(elements)["rows"]]
    assert {values[EVIL] for values in settings} == {EVIL, "</script>"}


def test_nothing_finished_is_a_page_too(tmp_path):
    folder = Folder(tmp_path / "none", {"sparsity": [0.5]})
    folder.add("a", {"sparsity": 0.5}, status="failed", reason="no memory")
    elements = Elements(write(folder.path).read_text())
    assert "no memory" in elements.text
    assert elements.scripts == []


def test_a_single_job_without_steps_and_timing(tmp_path, metrics):
    document = metrics(weight_bits=32, sparsity=0.0)
    document["timing"] = {}
    folder = Folder(tmp_path / "one")
    folder.add("a", metrics=document)
    data = read_data(Elements(write(folder.path).read_text()))
    assert set(data["specs"]) == {"front-sparsity", "front-bytes", "parallel"}


@pytest.mark.parametrize(
    ("script", "words"),
    [("/d/my code/train.py", ["/d/my code/train.py"]), ("/d/my code/compression/__main__.py", ["-m", "compression"])],
)
def test_the_command_of_the_sweep_can_be_copied(tmp_path, metrics, script, words):
    folder = Folder(tmp_path / "sweep", {"sparsity": [0.5]})
    folder.plan["command"] = [script, "-m", "data.root=my images"]
    folder.add("s50", {"sparsity": 0.5}, metrics=metrics())
    page = html.unescape(write(folder.path).read_text())
    assert shlex.join(["python", *words, "-m", "data.root=my images"]) in page


def test_the_same_records_give_the_same_bytes(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[8])
    assert write(tmp_path / "grid").read_bytes() == write(tmp_path / "grid").read_bytes()


def test_200_jobs_are_less_than_5_megabytes(tmp_path):
    bits = [2, 3, 4, 5, 6, 8]
    sparsities = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97]
    make_grid(tmp_path / "grid", sparsities=sparsities, bits=bits, strategies=("gmp", "rigl", "set", "snip"))
    begun = time.perf_counter()
    path = write(tmp_path / "grid")
    assert len(read_data(Elements(path.read_text()))["rows"]) >= 200
    assert path.stat().st_size < 5_000_000
    print(f"{path.stat().st_size:,} bytes in {time.perf_counter() - begun:.1f} s")
