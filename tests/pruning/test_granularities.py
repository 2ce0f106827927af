import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.pruning.granularities.n_of_m import NOfM, n_of_m_mask
from compression.pruning.granularities.weights import Weights


def n_of_m_by_loop(scores, n, m):
    """Keep n of every m input channels, one block after the other."""
    mask = torch.ones_like(scores, dtype=torch.bool)
    rest = [range(size) for size in scores.shape[2:]]
    for out, start, *place in itertools.product(
        range(scores.shape[0]), range(0, scores.shape[1], m), *(list(r) for r in rest)
    ):
        block = [float(scores[(out, start + k, *place)]) for k in range(m)]
        for k in sorted(range(m), key=lambda k: block[k])[: m - n]:
            mask[(out, start + k, *place)] = False
    return mask


def test_weights_literals():
    scores = {"a": torch.tensor([[4.0, 1.0], [3.0, 2.0]]), "b": torch.tensor([1.0, 1.0, 1.0])}
    masks = Weights()(scores, {"a": 1, "b": 2})
    assert masks["a"].tolist() == [[True, False], [False, False]]
    assert masks["b"].tolist() == [False, True, True]


@pytest.mark.parametrize("kept", [0, 1, 53, 54])
def test_weights_keep_exactly_what_is_asked_where_all_tie(kept):
    mask = Weights()({"a": torch.zeros(3, 2, 3, 3)}, {"a": kept})["a"]
    assert mask.shape == (3, 2, 3, 3)
    assert int(mask.sum()) == kept


def test_weights_of_a_channels_last_layer():
    scores = torch.rand(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    plain = Weights()({"a": scores}, {"a": 20})["a"]
    strided = Weights()({"a": scores.contiguous(memory_format=torch.channels_last)}, {"a": 20})["a"]
    assert torch.equal(plain, strided)


def test_two_of_four_literals():
    scores = torch.tensor([[1.0, 4.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0], [9.0, 9.0, 1.0, 9.0, 5.0, 6.0, 7.0, 8.0]])
    keep, drop = True, False
    assert n_of_m_mask(scores, n=2, m=4).tolist() == [
        [drop, keep, drop, keep, drop, drop, keep, keep],
        [drop, keep, drop, keep, drop, drop, keep, keep],
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([(), (1,), (3, 3), (2, 1, 2)]),
    st.sampled_from([(1, 2), (2, 4), (1, 4), (3, 4), (4, 8)]),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_n_of_m_equals_a_loop(num_outputs, num_blocks, kernel, pattern, seed, ties):
    n, m = pattern
    scores = torch.rand(num_outputs, num_blocks * m, *kernel, generator=torch.Generator().manual_seed(seed))
    if ties:
        scores = (scores * 3).round()
    mask = n_of_m_mask(scores, n=n, m=m)
    assert mask.dtype == torch.bool
    assert torch.equal(mask, n_of_m_by_loop(scores, n, m))
    assert int(mask.sum()) == mask.numel() * n // m


def test_n_of_m_of_a_channels_last_layer():
    scores = torch.rand(4, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    strided = scores.contiguous(memory_format=torch.channels_last)
    assert torch.equal(n_of_m_mask(scores, n=2, m=4), n_of_m_mask(strided, n=2, m=4))


def test_layers_that_do_not_fit_stay_dense():
    scores = {"first": torch.rand(8, 3, 3, 3), "depthwise": torch.rand(8, 1, 3, 3), "linear": torch.rand(5, 8)}
    masks = NOfM(n=2, m=4)(scores, {})
    assert masks["first"].all()
    assert masks["depthwise"].all()
    assert int(masks["linear"].sum()) == 20


def test_a_model_that_fits_nowhere_is_refused():
    pattern = NOfM(n=2, m=4)
    pattern.check({"a": torch.zeros(8, 3), "b": torch.zeros(2, 4)})
    with pytest.raises(InputError) as caught:
        pattern.check({"a": torch.zeros(8, 3), "b": torch.zeros(2, 6, 3, 3)})
    assert str(caught.value) == "2:4 sparsity fits no layer: 4 divides no layer's input channels"


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 4), (5, 4), (-1, 4), (1, 0)])
def test_bad_patterns(n, m):
    with pytest.raises(InputError) as caught:
        NOfM(n=n, m=m)
    assert str(caught.value) == f"strategy.granularity n={n} m={m}: must be 0 < n < m"


def test_weights_fit_every_layer():
    Weights().check({"a": torch.zeros(1, 1)})
