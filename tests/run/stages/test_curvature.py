import pytest

from compression.core.file_names import WEIGHTS

COMMAND = "strategy=none bits=8 quantization.rdoq_batches=1 until=quantize"


def test_prices_share_the_curvature(shared):
    runs = [shared(f"{COMMAND} quantization.rdoq_lambda={price}") for price in ("0.01", "0.05")]
    assert runs[0]["curvature"].path == runs[1]["curvature"].path
    assert runs[0]["quantize"].path != runs[1]["quantize"].path
    fewer = shared(f"{COMMAND} weight_bits=6 quantization.rdoq_lambda=0.01")
    assert fewer["curvature"].path == runs[0]["curvature"].path
    zeros = [sum(row["zeros"] for row in made["quantize"].results["layers"]) for made in runs]
    assert zeros[0] < zeros[1]


def test_the_network_is_that_of_a_run_that_measures_by_itself(shared, monkeypatch):
    command = f"{COMMAND} quantization.rdoq_lambda=0.02"
    given = shared(command)["quantize"]
    monkeypatch.setattr("compression.run.stages.quantize.load_file", lambda _: None)
    measured = shared(f"{command} overwrite=true")["quantize"]
    assert measured.path.joinpath(WEIGHTS).read_bytes() == given.path.joinpath(WEIGHTS).read_bytes()


@pytest.mark.parametrize("change", ["quantization.rdoq_batches=2", "quantization.equalize=skip", "data.batch_size=32"])
def test_what_changes_the_curvature_changes_its_id(shared, change):
    first = shared(f"{COMMAND} quantization.rdoq_lambda=0.01")["curvature"]
    assert shared(f"{COMMAND} quantization.rdoq_lambda=0.01 {change}")["curvature"].path != first.path


@pytest.mark.parametrize("without", ["", "quantization.rdoq_lambda=0.01 quantization.batch_norm_batches=1"])
def test_runs_that_do_not_need_it_have_no_curvature(shared, without):
    assert "curvature" not in shared(f"{COMMAND.replace('quantization.rdoq_batches=1', '')} {without}")
