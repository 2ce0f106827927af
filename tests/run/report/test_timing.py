"""The choice of timed files and the contents of the timing record. No test checks how long something takes."""

from pathlib import Path

import pytest
import torch
from runs import WIDE, compose_config
from tiny_net import TinyNet

from compression.artifact import load_artifact
from compression.core.errors import InputError
from compression.run.context import make_context
from compression.run.report.timing import time_files, time_steps


@pytest.fixture
def context(tmp_path):
    config = compose_config(*WIDE, "runtime.engines=[eager]", "runtime.batch_sizes=[1,2]", f"output_dir={tmp_path}")
    return make_context(config, tmp_path / "run")


@pytest.fixture
def step_files(shared):
    """Function that writes the files of ``count`` steps."""
    made = shared("strategy=oneshot_l1 strategy.recovery.epochs=0 until=prune")["prune"].path / "steps" / "01.cmp"

    def make(folder: Path, count: int) -> list[Path]:
        files = [folder / f"{step:02d}.cmp" for step in range(1, count + 1)]
        for file in files:
            file.write_bytes(made.read_bytes())
        return files

    return make


@pytest.mark.parametrize(
    ("count", "timed"),
    [
        (1, ["01"]),
        (3, ["01", "02", "03"]),
        (8, [f"{step:02d}" for step in range(1, 9)]),
        # Eight steps are timed, evenly spaced, including the last.
        (15, ["01", "03", "05", "07", "09", "11", "13", "15"]),
    ],
)
def test_evenly_spaced_steps_of_a_long_schedule_are_timed(context, step_files, tmp_path, count, timed):
    record = time_steps(context, TinyNet(num_classes=10, width=32), step_files(tmp_path, count))
    assert list(record["latency_ms"]) == [*timed, "dense"]
    assert (record["engine"], record["batch_size"]) == ("eager", 2)


def test_nothing_is_timed_without_steps(context):
    assert time_steps(context, TinyNet(num_classes=10), []) is None


@pytest.fixture
def exported(shared):
    """Folder of an exported network, and the network as the dense and as the compressed one."""
    folder = shared("strategy=none until=export")["export"].path
    return folder, {name: load_artifact(folder / "model.cmp", allow=["tiny_net"]) for name in ("dense", "compressed")}


@pytest.mark.compiler
def test_the_sparse_engine_is_timed_beside_the_others(context, exported):
    folder, loaded = exported
    context.config.runtime.engines = ["auto"]
    timing = time_files(context, loaded, dict.fromkeys(loaded, folder))
    torch.set_num_threads(context.machine.threads)
    rows = [(entry["engine"], entry["batch_size"]) for entry in timing["latency"]]
    assert rows == [(engine, size) for size in (1, 2) for engine in ("eager", "onnxruntime", "sparse")]
    assert timing["left_out"] == {}


@pytest.mark.compiler
def test_an_engine_that_refuses_a_network_is_left_out_with_the_reason(context, exported):
    folder, loaded = exported
    loaded["compressed"].model.dropout = torch.nn.Softplus()
    context.config.runtime.engines = ["eager", "sparse"]
    timing = time_files(context, loaded, dict.fromkeys(loaded, folder))
    torch.set_num_threads(context.machine.threads)
    assert {entry["engine"] for entry in timing["latency"]} == {"eager"}
    [(name, reason)] = timing["left_out"].items()
    assert (name, reason) == (
        "sparse",
        "engine sparse: Softplus (layer dropout) is not supported; use another engine (compressed model)",
    )
    context.config.runtime.engines = ["sparse"]
    with pytest.raises(InputError, match="Softplus"):
        time_files(context, loaded, dict.fromkeys(loaded, folder))


def test_both_files_are_timed_in_every_engine_at_every_batch_size(context, shared):
    folder = shared("strategy=none until=export")["export"].path
    loaded = {name: load_artifact(folder / "model.cmp", allow=["tiny_net"]) for name in ("dense", "compressed")}
    timing = time_files(context, loaded, dict.fromkeys(loaded, folder))
    torch.set_num_threads(context.machine.threads)
    assert [(entry["engine"], entry["batch_size"]) for entry in timing["latency"]] == [("eager", 1), ("eager", 2)]
    assert {entry["best_dense_engine"] for entry in timing["latency"]} == {"eager"}
    assert all(entry["speedup"] == entry["speedup_over_best_dense"] for entry in timing["latency"])
    # The configuration turns off the measurement of memory.
    assert [timing[name]["peak_memory_bytes"] for name in loaded] == [None, None]
    assert (timing["repeats"], timing["warmup"]) == (2, 0)
