"""Output of the command `search`; tests of the search itself are in sweep/."""

from types import SimpleNamespace

import pytest
from small_files import run

from compression.commands import search_configurations as command
from compression.sweep.search.trials import Point


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("sparsity: {low: 0.5, high: 0.95}\nstrategy.recovery.epochs: [1, 2]\n")
    return path


@pytest.fixture
def search(monkeypatch, tmp_path):
    """A fake search that records its arguments and returns the front that a test sets."""
    asked = SimpleNamespace(front=[], counts=(0, 0))

    class Done:
        def __init__(self, overrides, space, *, seed):
            asked.overrides, asked.space, asked.seed = list(overrides), list(space), seed
            self.folder, self.trials = tmp_path / "search", SimpleNamespace(count=lambda: asked.counts)

        def go_on(self, *, most):
            asked.most = most
            return asked.front

    monkeypatch.setattr(command, "Search", Done)
    return asked


def test_the_front_is_a_table_with_the_keys_of_the_space(search, space, tmp_path):
    first = {"sparsity": 0.5, "strategy.recovery.epochs": 2}
    search.front = [
        Point(0, "s50-1a2b3c", first, 0.975, 200_000),
        Point(3, "s90-4d5e6f", first | {"sparsity": 0.9}, 0.9, 40_000),
    ]
    search.counts = (3, 1)
    result = run("search", "--space", space, "--trials", 4, "--seed", 7, "model=vgg11", "name=mine")
    assert result.exit_code == 0, result.output
    assert (search.overrides, search.most, search.seed) == (["model=vgg11", "name=mine"], 4, 7)
    assert search.space == ["sparsity", "strategy.recovery.epochs"]
    assert "3 of 4 trials finished, 1 failed; no trial beats these in both accuracy and bytes:" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["s50-1a2b3c", "97.50", "%", "200,000", "0.5", "2"] in lines
    assert ["s90-4d5e6f", "90.00", "%", "40,000", "0.9", "2"] in lines
    assert lines[0] == [str(tmp_path / "search")]


def test_a_search_without_a_finished_trial_fails(search, space):
    search.counts = (0, 2)
    result = run("search", "--space", space, "--trials", 2)
    assert result.exit_code == 1
    assert result.stdout.endswith("\n0 of 2 trials finished, 2 failed\n")


@pytest.mark.usefixtures("search")
def test_a_wrong_space_is_a_one_line_error(tmp_path):
    (tmp_path / "space.yaml").write_text("sparsity: {low: 1, high: 0}\n")
    result = run("search", "--space", tmp_path / "space.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
