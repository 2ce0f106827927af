from pathlib import Path

import pytest
from runs import WIDE, compose_config

from compression.run.building.configured_sensitivity import configured_kind, needs_measurement, needs_sensitivity
from compression.run.context import make_context


@pytest.mark.parametrize(
    ("command", "needed", "measured", "kind"),
    [
        ("strategy=none", False, False, "weights"),
        ("strategy=iterative_l1", False, False, "weights"),
        ("strategy=layerwise_l1", True, True, "weights"),
        ("strategy=layerwise_l1 strategy.allocation.file=table.json", True, False, "weights"),
        ("strategy=layerwise_structured_l1", True, True, "channels"),
    ],
)
def test_sensitivity_is_measured_if_the_strategy_needs_a_table_without_a_file(
    tmp_path: Path, command: str, needed: bool, measured: bool, kind: str
) -> None:
    context = make_context(compose_config(*WIDE, *command.split(), f"output_dir={tmp_path}"), tmp_path)
    assert (needs_sensitivity(context), needs_measurement(context)) == (needed, measured)
    assert configured_kind(context) == kind
