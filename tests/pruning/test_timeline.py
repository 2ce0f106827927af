from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.pruning.timeline import Timeline


def test_each_step_is_followed_by_its_recovery():
    timeline = Timeline(num_steps=3, updates_per_epoch=10, epochs=2)
    assert timeline.step_updates == [0, 20, 40]
    assert (timeline.num_epochs, timeline.cycle, timeline.lead) == (6, 20, 0)


def test_a_lead_comes_before_the_first_step():
    timeline = Timeline(num_steps=2, updates_per_epoch=10, epochs=1, lead_epochs=3)
    assert timeline.step_updates == [30, 40]
    assert (timeline.num_epochs, timeline.cycle, timeline.lead) == (5, 10, 30)


def test_spread_steps_fall_evenly_into_the_first_part_of_one_training():
    timeline = Timeline(num_steps=4, updates_per_epoch=10, epochs=4, spread=0.75)
    assert timeline.step_updates == [0, 10, 20, 30]
    assert (timeline.num_epochs, timeline.cycle) == (4, 40)
    with_lead = Timeline(num_steps=4, updates_per_epoch=10, epochs=4, lead_epochs=1, spread=0.75)
    assert with_lead.step_updates == [10, 20, 30, 40]
    assert with_lead.num_epochs == 5


def test_positions_are_rounded_down():
    assert Timeline(num_steps=4, updates_per_epoch=7, epochs=1, spread=1.0).step_updates == [0, 2, 4, 7]


@pytest.mark.parametrize("spread", [None, 0.5, 1.0])
def test_one_step_is_taken_at_once(spread):
    assert Timeline(num_steps=1, updates_per_epoch=5, epochs=2, spread=spread).step_updates == [0]


def test_without_recovery_all_steps_are_taken_at_once():
    timeline = Timeline(num_steps=3, updates_per_epoch=5, epochs=0)
    assert timeline.step_updates == [0, 0, 0]
    assert timeline.num_epochs == 0


def test_steps_that_are_closer_than_updates_fall_together():
    assert Timeline(num_steps=5, updates_per_epoch=2, epochs=1, spread=1.0).step_updates == [0, 0, 1, 1, 2]


@given(
    st.integers(1, 50), st.integers(1, 100), st.integers(0, 5), st.integers(0, 3), st.none() | st.floats(0.01, 1.0)
)  # fmt: skip
def test_steps_are_in_order_and_within_the_training(num_steps, updates_per_epoch, epochs, lead_epochs, spread):
    timeline = Timeline(num_steps, updates_per_epoch, epochs, lead_epochs, spread)
    updates = timeline.step_updates
    assert len(updates) == num_steps
    assert updates[0] == timeline.lead
    assert all(before <= after for before, after in pairwise(updates))
    assert updates[-1] <= timeline.num_epochs * updates_per_epoch
    if spread is not None:
        assert updates[-1] <= timeline.lead + spread * timeline.cycle
