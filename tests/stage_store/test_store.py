import json
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.stage_store import store as store_module
from compression.stage_store.store import RESUME, Made, StageKey, Store, make_room_advice

KEY = StageKey("dense", 1, {"seed": 42, "optimizer": {"lr": 0.1, "betas": [0.9, 0.999]}})


class Maker:
    """A ``make`` function that writes a file and counts its calls."""

    def __init__(self, text="one", earlier_seconds=0.0):
        self.text, self.earlier_seconds = text, earlier_seconds
        self.folders = []

    def __call__(self, folder):
        self.folders.append(folder)
        (folder / "model.txt").write_text(self.text)
        (folder / RESUME / "last.ckpt").write_text("checkpoint")
        return Made({"accuracy": 0.5, "history": [{"epoch": 1}], "made": self.text}, self.earlier_seconds)


def make_store(tmp_path, invocation="first", **settings):
    return Store(tmp_path / "store", invocation=invocation, **settings)


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "store").iterdir() if path.name != ".locks")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


class Interrupt(BaseException):
    """Exception that stands for a kill."""


def interrupted(folder):
    (folder / RESUME / "last.ckpt").write_text("checkpoint")
    raise Interrupt


def test_made_once_then_found(tmp_path):
    make = Maker(earlier_seconds=10)
    made = make_store(tmp_path).obtain(KEY, make)
    found = make_store(tmp_path, "second").obtain(KEY, make)
    assert len(make.folders) == 1
    assert (made.reused, found.reused) == (False, True)
    assert made.path == found.path == tmp_path / "store" / f"dense-{KEY.id}"
    assert made.results == found.results == {"accuracy": 0.5, "history": [{"epoch": 1}], "made": "one"}
    assert made.seconds == found.seconds
    assert made.seconds > 10
    assert made.id == KEY.id
    assert files(made.path) == ["model.txt", "stage.json"]
    assert names(tmp_path) == [f"dense-{KEY.id}"]


def test_a_record_holds_what_made_the_stage(tmp_path):
    path = make_store(tmp_path).obtain(KEY, Maker()).path
    record = json.loads((path / "stage.json").read_text())
    assert record["key"] == {"stage": "dense", "version": 1, "inputs": dict(KEY.inputs), "parents": []}
    assert record["invocation"] == "first"


def test_id_is_frozen():
    """Stages are found by their id: if a key's id changed, every stage would be made again."""
    assert StageKey("dense", 1, {"b": [1, 2.5, None], "a": {"y": True, "x": "ü"}}, ("f00",)).id == "a81a5f1158988196"


@pytest.mark.parametrize(
    "other",
    [
        StageKey("prune", 1, KEY.inputs),
        StageKey("dense", 2, KEY.inputs),
        StageKey("dense", 1, {**KEY.inputs, "seed": 43}),
        StageKey("dense", 1, {**KEY.inputs, "more": None}),
        StageKey("dense", 1, {"seed": 42, "optimizer": {"lr": 0.1, "betas": [0.999, 0.9]}}),
        StageKey("dense", 1, KEY.inputs, ("a",)),
    ],
    ids=["stage", "version", "value", "further input", "order of a list", "parent"],
)
def test_id_changes_with(tmp_path, other):
    assert other.id != KEY.id
    make = Maker()
    store = make_store(tmp_path)
    store.obtain(KEY, make)
    assert not store.obtain(other, make).reused
    assert len(make.folders) == 2


def test_id_changes_with_the_order_of_parents():
    assert StageKey("export", 1, {}, ("a", "b")).id != StageKey("export", 1, {}, ("b", "a")).id


def reverse(value):
    if isinstance(value, dict):
        return {key: reverse(value[key]) for key in reversed(value)}
    return [reverse(item) for item in value] if isinstance(value, list) else value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_id_does_not_change_with_the_order_of_keys(inputs):
    key = StageKey("dense", 1, inputs)
    assert StageKey("dense", 1, reverse(inputs)).id == key.id
    assert StageKey("dense", 1, json.loads(json.dumps(inputs))).id == key.id
    assert len(key.id) == 16


def test_inputs_that_are_not_json_raise():
    with pytest.raises(TypeError, match="not JSON serializable"):
        _ = StageKey("dense", 1, {"path": object()}).id


def test_a_failed_stage_keeps_its_checkpoints(tmp_path):
    with pytest.raises(Interrupt):
        make_store(tmp_path).obtain(KEY, interrupted)
    assert names(tmp_path) == [f"dense-{KEY.id}.partial"]
    seen = []

    def make(folder):
        seen.append((folder / RESUME / "last.ckpt").read_text())
        return Made({})

    record = make_store(tmp_path, "second").obtain(KEY, make)
    assert seen == ["checkpoint"]
    assert not record.reused
    assert names(tmp_path) == [f"dense-{KEY.id}"]
    assert files(record.path) == ["stage.json"]


@pytest.mark.parametrize("trained", [False, True])
def test_wrong_input_leaves_nothing_but_checkpoints(tmp_path, trained):
    def refuse(folder):
        (folder / "initial.safetensors").write_text("weights")
        if trained:
            (folder / RESUME / "last.ckpt").write_text("checkpoint")
        raise InputError("data.root=photos: 1 damaged image")

    with pytest.raises(InputError, match="1 damaged image"):
        make_store(tmp_path).obtain(KEY, refuse)
    assert names(tmp_path) == ([f"dense-{KEY.id}.partial"] if trained else [])


def test_overwrite_makes_each_stage_once_per_invocation(tmp_path):
    other = StageKey("dense", 1, {"seed": 43})
    old, new = Maker("old"), Maker("new")
    for key in (KEY, other):
        make_store(tmp_path).obtain(key, old)
    store = make_store(tmp_path, "second", overwrite=True)
    assert [store.obtain(key, new).reused for key in (KEY, other, KEY, KEY)] == [False, False, True, True]
    assert make_store(tmp_path, "second", overwrite=True).obtain(KEY, new).reused
    assert len(new.folders) == 2
    record = make_store(tmp_path, "third").obtain(KEY, new)
    assert (record.path / "model.txt").read_text() == record.results["made"] == "new"
    assert make_store(tmp_path, "fourth", overwrite=True).obtain(KEY, new).reused is False
    assert names(tmp_path) == sorted([f"dense-{KEY.id}", f"dense-{other.id}"])


def test_overwrite_in_an_empty_store(tmp_path):
    assert not make_store(tmp_path, overwrite=True).obtain(KEY, Maker()).reused
    assert names(tmp_path) == [f"dense-{KEY.id}"]


def test_a_failed_overwrite_keeps_the_old_stage(tmp_path):
    make_store(tmp_path).obtain(KEY, Maker("old"))
    with pytest.raises(Interrupt):
        make_store(tmp_path, "second", overwrite=True).obtain(KEY, interrupted)
    record = make_store(tmp_path, "third").obtain(KEY, Maker("new"))
    assert record.reused
    assert record.results["made"] == "old"


@pytest.mark.parametrize("owner", ["another", "", None])
def test_overwrite_discards_the_partial_folder_of_another_invocation(tmp_path, owner):
    partial = tmp_path / "store" / f"dense-{KEY.id}.partial"
    (partial / RESUME).mkdir(parents=True)
    (partial / RESUME / "last.ckpt").write_text("foreign")
    (partial / "stray.txt").write_text("foreign")
    if owner is not None:
        (partial / "invocation").write_text(owner)

    def make(folder):
        assert files(folder) == ["invocation", RESUME]
        assert files(folder / RESUME) == []
        return Made({})

    record = make_store(tmp_path, "second", overwrite=True).obtain(KEY, make)
    assert files(record.path) == ["stage.json"]


def test_overwrite_continues_its_own_partial_folder(tmp_path):
    for _ in range(2):
        with pytest.raises(Interrupt):
            make_store(tmp_path, "second", overwrite=True).obtain(KEY, interrupted)
    seen = []

    def make(folder):
        seen.extend(files(folder / RESUME))
        return Made({})

    make_store(tmp_path, "second", overwrite=True).obtain(KEY, make)
    assert seen == ["last.ckpt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_cut_off_between_publishing_and_cleaning(tmp_path, monkeypatch, overwrite):
    """The stage counts as finished, and the next run that obtains it removes the checkpoints."""
    if overwrite:
        make_store(tmp_path).obtain(KEY, Maker("old"))

    def cut_off(path, **_):
        if not str(path).endswith(".old") or path.exists():
            raise Interrupt

    monkeypatch.setattr(store_module.shutil, "rmtree", cut_off)
    with pytest.raises(Interrupt):
        make_store(tmp_path, "second", overwrite=overwrite).obtain(KEY, Maker("new"))
    monkeypatch.undo()
    record = make_store(tmp_path, "second", overwrite=overwrite).obtain(KEY, Maker("newer"))
    assert record.reused
    assert (record.path / "model.txt").read_text() == record.results["made"] == "new"
    assert files(record.path) == ["model.txt", "stage.json"]
    assert names(tmp_path) == [f"dense-{KEY.id}"]


def test_cut_off_between_the_two_renames_of_overwrite(tmp_path, monkeypatch):
    make_store(tmp_path).obtain(KEY, Maker("old"))
    renamed = []
    replace = store_module.Path.replace

    def cut_off(path, target):
        if path.name.endswith(".partial"):
            raise Interrupt
        renamed.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(store_module.Path, "replace", cut_off)
    with pytest.raises(Interrupt):
        make_store(tmp_path, "second", overwrite=True).obtain(KEY, Maker("new"))
    monkeypatch.undo()
    assert renamed[-1] == f"dense-{KEY.id}"
    record = make_store(tmp_path, "third").obtain(KEY, Maker("newer"))
    assert not record.reused
    assert (record.path / "model.txt").read_text() == record.results["made"] == "newer"
    assert files(record.path) == ["model.txt", "stage.json"]
    assert names(tmp_path) == [f"dense-{KEY.id}"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_old_folder_left_behind_is_cleared(tmp_path, overwrite):
    path = make_store(tmp_path).obtain(KEY, Maker("one")).path
    shutil.copytree(path, path.with_name(path.name + ".old"))
    record = make_store(tmp_path, "second", overwrite=overwrite).obtain(KEY, Maker("two"))
    assert record.reused is not overwrite
    assert names(tmp_path) == [f"dense-{KEY.id}"]


def test_a_finished_stage_is_never_half_there(tmp_path, monkeypatch):
    """At whatever rename or write the run is cut off, the folder under the final name is complete."""
    for moment in range(40):
        root = tmp_path / str(moment)
        monkeypatch.undo()
        make_store(root).obtain(KEY, Maker("old"))
        count = 0

        def step(original, moment=moment):
            def wrapped(*arguments, **settings):
                nonlocal count
                count += 1
                if count > moment:
                    raise Interrupt
                return original(*arguments, **settings)

            return wrapped

        for target, name in (
            (store_module.Path, "replace"),
            (store_module.Path, "unlink"),
            (store_module.Path, "mkdir"),
            (store_module.shutil, "rmtree"),
            (store_module, "write_atomic"),
        ):
            monkeypatch.setattr(target, name, step(getattr(target, name)))
        finished = True
        try:
            make_store(root, "second", overwrite=True).obtain(KEY, Maker("new"))
        except Interrupt:
            finished = False
        monkeypatch.undo()
        final = root / "store" / f"dense-{KEY.id}"
        if final.exists():
            made = json.loads((final / "stage.json").read_text())["results"]["made"]
            assert (final / "model.txt").read_text() == made
        record = make_store(root, "third").obtain(KEY, Maker("third"))
        assert (record.path / "model.txt").read_text() == record.results["made"]
        if finished:
            break
    assert finished
    assert moment > 5


WANT = """
    import os, sys, time
    from pathlib import Path
    from compression.stage_store.store import Made, StageKey, Store

    def make(folder):
        with Path(sys.argv[1], "made").open("a") as stream:
            stream.write("x")
        {act}
        return Made({{"pid": os.getpid()}})

    store = Store(Path(sys.argv[1]) / "store", invocation=str(os.getpid()))
    record = store.obtain(StageKey("dense", 1, {{}}), make)
    print(record.results["pid"], record.reused)
"""


def start(tmp_path, act):
    code = textwrap.dedent(WANT).format(act=act)
    return subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)


def test_two_processes_that_need_the_same_stage_make_it_once(tmp_path):
    act = "time.sleep(1)"
    processes = [start(tmp_path, act) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "made").read_text() == "x"
    assert sorted(reused for _, reused in answers) == ["False", "True"]
    assert len({pid for pid, _ in answers}) == 1


def test_a_waiting_process_continues_for_a_killed_one(tmp_path):
    first = start(tmp_path, "(folder / 'resume' / 'last.ckpt').touch(); print('here', flush=True); time.sleep(60)")
    assert first.stdout.readline() == "here\n"
    second = start(tmp_path, "assert (folder / 'resume' / 'last.ckpt').exists()")
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=60)
    first.stdout.close()
    answer, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert answer.split() == [str(second.pid), "False"]
    assert (tmp_path / "made").read_text() == "xx"


def test_waiting_is_logged(tmp_path, caplog):
    caplog.set_level("INFO", logger="compression.stage_store.store")
    process = start(tmp_path, "print('here', flush=True); time.sleep(0.5)")
    assert process.stdout.readline() == "here\n"
    record = make_store(tmp_path).obtain(StageKey("dense", 1, {}), Maker())
    process.communicate(timeout=60)
    assert record.reused
    assert [entry.getMessage() for entry in caplog.records] == [
        "dense  another process is making this stage; waiting for it"
    ]


def test_different_stages_do_not_wait_for_each_other(tmp_path):
    store = make_store(tmp_path)

    def make(folder):
        del folder
        store.obtain(StageKey("dense", 1, {"seed": 1}), Maker())
        return Made({})

    assert not store.obtain(KEY, make).reused


def test_the_advice_can_be_typed(tmp_path):
    words = shlex.split(make_room_advice(tmp_path / "my runs" / "store"))
    assert words == ["python", "-m", "compression", "store", "gc", "--output-dir", str(tmp_path / "my runs")]
