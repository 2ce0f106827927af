import torch
from torch import nn

from compression.core.accuracy import collect_logits, count_hits, count_hits_of


class Given(nn.Module):
    """Returns its input as logits."""

    def forward(self, images):
        return images


def one_hot(*classes):
    return torch.eye(4)[list(classes)]


def test_by_hand():
    batches = [(one_hot(0, 1, 1), torch.tensor([0, 1, 2])), (one_hot(2, 0), torch.tensor([2, 1]))]
    hits, totals = count_hits(Given(), batches, 4)
    assert hits.tolist() == [1, 1, 1, 0]
    assert totals.tolist() == [1, 2, 2, 0]
    assert hits.dtype == totals.dtype == torch.int64


def test_no_batches():
    hits, totals = count_hits(Given(), [], 3)
    assert hits.tolist() == totals.tolist() == [0, 0, 0]


def test_counts_do_not_depend_on_the_batch_size():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(50, 4, generator=generator), torch.randint(0, 4, (50,), generator=generator)
    whole = count_hits(Given(), [(logits, labels)], 4)
    for size in (1, 7, 50):
        parts = zip(logits.split(size), labels.split(size), strict=True)
        hits, totals = count_hits(Given(), parts, 4)
        assert torch.equal(hits, whole[0])
        assert torch.equal(totals, whole[1])
    assert int(whole[0].sum()) == int((logits.argmax(1) == labels).sum())


def test_leaves_no_gradient():
    layer = nn.Linear(4, 4)
    count_hits(layer, [(one_hot(0, 1), torch.tensor([0, 1]))], 4)
    assert layer.weight.grad is None


def test_logits_of_several_models_are_collected_in_one_pass():
    batches = iter([(one_hot(0, 1), torch.tensor([0, 1])), (one_hot(2), torch.tensor([3]))])
    logits, labels = collect_logits({"given": Given(), "double": lambda images: 2 * images.double()}, batches)
    assert labels.tolist() == [0, 1, 3]
    assert torch.equal(logits["given"], one_hot(0, 1, 2))
    assert torch.equal(logits["double"], 2 * one_hot(0, 1, 2))
    assert {one.dtype for one in logits.values()} == {torch.float32}


def test_hits_of_logits_are_those_of_the_model():
    hits, totals = count_hits_of(one_hot(0, 1, 1, 2, 0), torch.tensor([0, 1, 2, 2, 1]), 4)
    assert (hits.tolist(), totals.tolist()) == ([1, 1, 1, 0], [1, 2, 2, 0])


def test_a_network_that_overwrites_its_input_changes_it_for_no_other():
    def overwrite(images):
        return images.mul_(-1)

    batches = [(one_hot(0, 1), torch.tensor([0, 1]))]
    logits, _ = collect_logits({"first": overwrite, "second": overwrite}, batches)
    assert torch.equal(logits["first"], logits["second"])
