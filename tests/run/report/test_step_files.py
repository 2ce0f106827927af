import pytest
from safetensors.torch import load_file
from trained_store import same

import compression

ONCE = "strategy=oneshot_structured_l2 strategy.recovery.epochs=0"


@pytest.mark.parametrize("settings", ["", "strategy.granularity.round_to=1 sparsity=0.52"])
def test_the_file_of_a_step_has_the_channels_that_the_step_left(shared, settings):
    stages = shared(f"{ONCE} {settings} until=compact")
    made, pruned = stages["compact"], stages["prune"]
    step = compression.load(pruned.path / "steps" / "01.cmp", allow=["tiny_net"])
    assert same(step.state_dict(), load_file(made.path / "model.safetensors"))


def test_files_of_steps_are_those_of_this_command_not_of_one_before(shared):
    compacted, masked = (
        shared(f"{ONCE} strategy.compact={wanted} until=prune")["prune"] for wanted in ("true", "false")
    )
    files = [made.path / "steps" / "01.cmp" for made in (compacted, masked)]
    widths = [compression.load(file, allow=["tiny_net"]).features[0].out_channels for file in files]
    assert widths == [16, 32]
    assert (masked.path / "masks.safetensors").read_bytes() == (compacted.path / "masks.safetensors").read_bytes()
