"""A few rows of the table in experiments/many_networks: training, pruning, 8 bits and both files, in new processes."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "many_networks" / "run.py"


def load_script():
    spec = importlib.util.spec_from_file_location("many_networks", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_table_has_forty_networks_and_escapes_bars():
    script = load_script()
    names = [name for _, name, _, _ in script.NETWORKS]
    assert len(set(names)) == len(names) == 40
    row = {"name": "net", "library": "timm", "image_size": 64, "result": "refused", "line": "a|b", "seconds": 1.5}
    assert script.make_table([row]).splitlines()[-1] == "| net | timm | 64 | refused: a\\|b | 1.5 |  |"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "googlenet", "test_vit", "test_convnext", "levit_128s"])
def test_a_network_works_or_is_refused_in_one_line(name):
    script = load_script()
    [(library, _, size, more)] = [one for one in script.NETWORKS if one[1] == name]
    if library == "timm":
        pytest.importorskip("timm")
    row = script.run(library, name, size, more, timeout=900)
    assert row["result"] in ("works", "refused"), row
    assert row["result"] == "works" or not row["trained"]
