"""Sensitivity: it is measured once, resumed after a kill, and used to distribute the sparsity."""

import json

import pytest
from runs import WIDE, run_here

from compression.core.errors import InputError
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.run.stages import sensitivity

SHORT = "strategy.schedule.steps=2 strategy.recovery.epochs=0 sensitivity.images=100"
KINDS = {"weights": f"strategy=layerwise_l1 {SHORT}", "channels": f"strategy=layerwise_structured_l1 {SHORT}"}
SIZES = {
    "weights": {"features.0.weight": 864, "features.3.weight": 18432, "classifier.weight": 640},
    "channels": {"features.0": 32, "features.3": 64},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_is_measured_at_every_sparsity(shared, kind):
    stages = shared(f"{KINDS[kind]} until=prune")
    pruned, measured = stages["prune"], stages["sensitivity"]
    table = SensitivityTable.from_json(measured.results)
    assert (table.kind, table.images, table.sizes) == (kind, 100, SIZES[kind])
    grid = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95]
    assert {name: list(row) for name, row in table.accuracy.items()} == dict.fromkeys(SIZES[kind], grid)
    # All accuracies are measured on 100 images.
    accuracies = [table.baseline, *(accuracy for row in table.accuracy.values() for accuracy in row.values())]
    assert all(100 * accuracy == pytest.approx(round(100 * accuracy)) for accuracy in accuracies)
    assert table.baseline > max(row[0.95] for row in table.accuracy.values())
    if kind == "weights":
        assert pruned.results["sparsity"] == pytest.approx(0.9, abs=1e-4)
        # Layers that tolerate more sparsity keep fewer weights, if the floor leaves a choice: features.0 has it.
        bears = table.highest_sparsities(1.0)
        del bears["features.0.weight"]
        left = {name: 1 - pruned.results["layer_sparsity"][name] for name in bears}
        for one in bears:
            for other in bears:
                assert bears[one] >= bears[other] or left[one] >= left[other]


def test_strategies_share_one_measurement(shared, monkeypatch):
    first = shared(f"{KINDS['weights']} until=prune")
    monkeypatch.setattr(sensitivity, "measure_sensitivity", None)
    other = shared(f"{KINDS['weights']} sparsity=0.8 strategy.allocation.max_drop=5 until=prune")
    assert first["sensitivity"].path == other["sensitivity"].path
    assert first["prune"].path != other["prune"].path


def test_other_images_or_another_kind_are_measured_separately(shared):
    commands = [KINDS["weights"], KINDS["channels"], f"{KINDS['weights']} sensitivity.images=50"]
    assert len({shared(f"{command} until=prune")["sensitivity"].path for command in commands}) == 3


@pytest.mark.parametrize("kind", [pytest.param("weights", marks=pytest.mark.slow), "channels"])
def test_a_killed_measurement_resumes_at_the_unfinished_layer(make, finished, shared, outputs, monkeypatch, kind):
    whole = shared(f"{KINDS[kind]} until=prune")["sensitivity"]
    count = counting(monkeypatch, fail_at=10)
    with pytest.raises(KeyboardInterrupt):
        make("prune", KINDS[kind])
    assert count() == 10
    [partial] = (outputs / "store").glob("sensitivity-*.partial/resume/layers.json")
    # The seven sparsities of the first layer are saved. The measurements of the second layer are lost.
    assert list(json.loads(partial.read_text())["rows"]) == list(SIZES[kind])[:1]
    count = counting(monkeypatch)
    make("prune", KINDS[kind])
    # The other layers and the unpruned model are measured.
    assert count() == 7 * (len(SIZES[kind]) - 1) + 1
    [measured] = finished("sensitivity")
    assert measured.results == whole.results
    assert not (measured.path / "resume").exists()


REAL = sensitivity._score


def counting(monkeypatch, fail_at=None):
    """Count measurements from now on; raise ``KeyboardInterrupt`` at number ``fail_at``."""
    calls = []

    def measure(*arguments):
        calls.append(arguments)
        if len(calls) == fail_at:
            raise KeyboardInterrupt
        return REAL(*arguments)

    monkeypatch.setattr(sensitivity, "_score", measure)
    return lambda: len(calls)


@pytest.fixture
def table_file(shared, tmp_path):
    """Function that writes the sensitivity table of this model to a file, after an optional change."""

    def write(kind, change=lambda table: table):
        table = change(dict(shared(f"{KINDS[kind]} until=prune")["sensitivity"].results))
        (tmp_path / f"{kind}.json").write_text(json.dumps(table))
        return tmp_path / f"{kind}.json"

    return write


@pytest.mark.parametrize("kind", ["weights", pytest.param("channels", marks=pytest.mark.slow)])
def test_a_given_table_replaces_the_measurement(make, shared, table_file, outputs, kind):
    file = table_file(kind)
    measured = shared(f"{KINDS[kind]} until=prune")["prune"]
    given = make("prune", f"{KINDS[kind]} strategy.allocation.file={file}")
    assert not list((outputs / "store").glob("sensitivity-*"))
    assert (given.path / "masks.safetensors").read_bytes() == (measured.path / "masks.safetensors").read_bytes()
    # The table counts, wherever it comes from.
    assert given.path.name == measured.path.name


def test_the_table_decides_how_sparsity_is_distributed(make, table_file):
    def all_in_one_layer(table):
        bears = {"features.3.weight": 0.95}
        rows = {
            name: {s: table["baseline"] if float(s) <= bears.get(name, 0.1) else 0.0 for s in row}
            for name, row in table["accuracy"].items()
        }
        return table | {"accuracy": rows}

    file = table_file("weights", all_in_one_layer)
    made = make("prune", f"{KINDS['weights']} sparsity=0.8 strategy.allocation.file={file}")
    sparsity = made.results["layer_sparsity"]
    assert sparsity["features.3.weight"] > 0.8 > max(sparsity["features.0.weight"], sparsity["classifier.weight"])


def refusal(outputs, command):
    stages = sorted((outputs / "store").glob("*-*"))
    with pytest.raises(InputError) as refused:
        run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    # No stage was made.
    assert sorted((outputs / "store").glob("*-*")) == stages
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_another_model_is_refused(table_file, outputs, kind):
    first, size = next(iter(SIZES[kind].items()))
    file = table_file(kind, lambda table: table | {"sizes": table["sizes"] | {first: 7}})
    message = refusal(outputs, f"{KINDS[kind]} strategy.allocation.file={file}")
    assert message == (
        f"strategy.allocation.file={file} is of another model: {first} has 7 {kind} there and {size} here"
    )


def test_a_table_that_lacks_a_layer_is_refused(table_file, outputs):
    file = table_file("weights", lambda table: table | {"sizes": {"features.0.weight": 864}})
    message = refusal(outputs, f"{KINDS['weights']} strategy.allocation.file={file}")
    assert message.endswith("is of another model: features.3.weight has no weights there and 18432 here")


def test_a_table_of_weights_is_refused_for_channels(table_file, outputs):
    file = table_file("weights")
    message = refusal(outputs, f"{KINDS['channels']} strategy.allocation.file={file}")
    assert message == (
        f"strategy.allocation.file={file} is about weights: must be about channels, which this strategy prunes"
    )


NO_TABLE = " is not a table of sensitivity: "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, ": no such file"),
        ("hello", f"{NO_TABLE}Expecting value"),
        ("{}", f"{NO_TABLE}kind is missing"),
        pytest.param("[]", f"{NO_TABLE}must be a mapping, not a list", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(outputs, tmp_path, text, reason):
    file = tmp_path / "table.json"
    if text is not None:
        file.write_text(text)
    message = refusal(outputs, f"{KINDS['weights']} strategy.allocation.file={file}")
    assert message.startswith(f"strategy.allocation.file={file}{reason}")


@pytest.mark.parametrize("kind", ["weights", pytest.param("channels", marks=pytest.mark.slow)])
def test_a_table_works_for_a_strategy_that_protects_a_layer(make, table_file, kind):
    file = table_file(kind)
    sparsity = "sparsity=0.3" if kind == "channels" else "sparsity=0.8"
    make("prune", f"{KINDS[kind]} {sparsity} strategy.protect=[first] strategy.allocation.file={file}")
