import pytest
from runs import TINY, compose_config

from compression.core.errors import InputError
from compression.run.sensitivity_only import sensitivity_without_run

FAST = (*TINY, "sensitivity.sparsities=[0.5]", "sensitivity.images=50", "training.epochs=1")


def test_every_supported_kind_is_measured_without_a_run(tmp_path):
    config = compose_config(*FAST, f"output_dir={tmp_path}")
    tables = list(sensitivity_without_run(config, run_dir=tmp_path / "run"))
    assert [table.kind for table in tables] == ["weights", "channels"]
    assert all(0 <= accuracy <= 1 for table in tables for row in table.accuracy.values() for accuracy in row.values())
    names = {path.name.rpartition("-")[0] for path in (tmp_path / "store").glob("*-*") if path.is_dir()}
    assert names == {"dense", "sensitivity"}


def test_several_processes_are_refused(tmp_path):
    config = compose_config(*FAST, "trainer.devices=2", f"output_dir={tmp_path}")
    with pytest.raises(InputError, match=r"^trainer\.devices=2: sensitivity is measured by one process; must be 1$"):
        list(sensitivity_without_run(config, run_dir=tmp_path / "run"))
