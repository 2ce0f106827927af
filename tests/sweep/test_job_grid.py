"""The grid of a multirun: axes and jobs, before any job runs."""

import re

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from runs import ROOT

from compression.config import run_name, schema, sweep_name
from compression.core.errors import InputError
from compression.sweep.job_grid import list_axes, list_jobs, name_job, parse_grid, place


def master(*task: str, **params: str):
    return OmegaConf.create({"hydra": {"sweeper": {"params": params}, "overrides": {"task": list(task)}}})


def lines(grid):
    return [[one.input_line for one in job] for job in list_jobs(grid)]


def test_the_last_key_varies_fastest():
    grid = parse_grid(master("model=vgg11", "sparsity=0.5,0.9", "weight_bits=6,8"))
    assert lines(grid) == [
        ["model=vgg11", "sparsity=0.5", "weight_bits=6"],
        ["model=vgg11", "sparsity=0.5", "weight_bits=8"],
        ["model=vgg11", "sparsity=0.9", "weight_bits=6"],
        ["model=vgg11", "sparsity=0.9", "weight_bits=8"],
    ]
    axes = list_axes(grid)
    assert axes == {"sparsity": [0.5, 0.9], "weight_bits": [6, 8]}
    assert place(list_jobs(grid)[1], axes) == {"sparsity": 0.5, "weight_bits": 8}


def test_the_command_line_wins_over_a_preset():
    grid = parse_grid(master("sparsity=0.7", "+sweep=grid", sparsity="0.5,0.9", weight_bits="6,8"))
    assert [job[0] for job in lines(grid)] == ["sparsity=0.7", "sparsity=0.7"]
    assert list_axes(grid) == {"weight_bits": [6, 8]}


def test_ranges_and_choices():
    assert [job[0] for job in lines(parse_grid(master("seed=range(1,4)")))] == ["seed=1", "seed=2", "seed=3"]
    assert list_axes(parse_grid(master("strategy=choice(gmp,snip)"))) == {"strategy": ["gmp", "snip"]}
    assert list_axes(parse_grid(master("strategy.protect=[a],[b,c]"))) == {"strategy.protect": ["[a]", "[b,c]"]}


def test_a_glob_selects_among_the_options_of_a_group():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        grid = parse_grid(master("strategy=glob(*_random)"))
    assert list_axes(grid) == {"strategy": ["iterative_random", "oneshot_random"]}


def test_continuous_intervals_are_refused():
    with pytest.raises(InputError, match=r"sparsity=interval\(0,1\): allowed: values with commas"):
        parse_grid(master("sparsity=interval(0,1)"))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ({"sparsity": 0.5, "weight_bits": 6, "activation_bits": 8}, "s50_w6_a8-1a2b3c"),
        ({"sparsity": 0.975, "seed": 3}, "s97.5_seed3-1a2b3c"),
        ({"strategy": "oneshot_l1", "model.width_mult": 0.25}, "oneshot_l1_width_mult0.25-1a2b3c"),
        ({"quantization.layer_bits": "[first:8,'a.*:6/8']"}, "layer_bits-first-8-a.-6-8-1a2b3c"),
        ({}, "1a2b3c"),
    ],
)
def test_names(place, name):
    assert name_job(place, "1a2b3c") == name


@pytest.mark.parametrize(
    "line",
    [
        "name=a,b",
        "output_dir=a,b",
        "overwrite=true,false",
        "plan=true,false",
        "baselines=true,false",
        "store_max_bytes=1,2",
        "until=evaluate,export",
        "+sweep=grid,quick",
    ],
)
def test_keys_that_are_equal_in_all_jobs_are_refused_as_axes(line):
    with pytest.raises(InputError, match=f"^{re.escape(line)}: is no axis; must have one value$"):
        parse_grid(master(line))


def test_names_are_short():
    assert len(name_job({"model._target_": "x" * 300}, "1a2b3c")) < 100


# Small presets, which are fast to test: each job of a preset is composed.
SMALL = {"quick", "seeds"}
PRESETS = sorted(path.stem for path in (ROOT / "conf" / "sweep").glob("*.yaml"))


@pytest.mark.parametrize(
    "preset", [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in PRESETS]
)
def test_every_job_of_every_preset_is_valid(preset):
    schema.register(), run_name.register(), sweep_name.register()
    given = [f"+sweep={preset}", *(["data.root=images"] if preset.endswith("_record") else [])]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("config", given, return_hydra_config=True)
        params = OmegaConf.to_container(composed.hydra.sweeper.params)
        grid = parse_grid(master(*given, **params))
        assert str(composed.hydra.mode) == "RunMode.MULTIRUN"
        assert len(list_jobs(grid)) > 3
        for job in list_jobs(grid):
            schema.to_config(compose("config", [one.input_line for one in job]))


def test_overrides_are_read_back_unchanged():
    [[override]] = list_jobs(parse_grid(master("quantization.layer_bits=[first:8,'layer1.*:6/8']")))
    again = OverridesParser.create().parse_override(override.input_line)
    assert again.value() == override.value()
