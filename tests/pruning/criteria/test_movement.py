import torch
from torch import nn
from torch.nn.functional import cross_entropy

from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.criteria import Observer
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.movement import Movement
from compression.pruning.evidence import Evidence

NOTHING = Evidence(model=nn.Identity(), example=torch.zeros(1), generator=make_generator(0))


def weight_with_gradient(values, gradient):
    weight = nn.Parameter(torch.tensor(values))
    weight.grad = None if gradient is None else torch.tensor(gradient)
    return weight


def test_literals():
    criterion = Movement()
    criterion.observe({"a": weight_with_gradient([1.0, -2.0, 0.0], [0.5, 1.0, 3.0])})
    criterion.observe({"a": weight_with_gradient([2.0, -2.0, 0.0], [-1.0, 1.0, 3.0])})
    scores = criterion({"a": torch.zeros(3)}, evidence=NOTHING)
    assert scores["a"].tolist() == [1.5, 4, 0]


def test_it_is_an_observer_and_magnitude_is_not():
    assert isinstance(Movement(), Observer)
    assert not isinstance(Magnitude(), Observer)


def test_weights_without_a_gradient_do_not_move():
    criterion = Movement()
    weights = {"a": weight_with_gradient([1.0], [1.0]), "b": weight_with_gradient([5.0], None)}
    criterion.observe(weights)
    scores = criterion(weights, evidence=NOTHING)
    assert {name: score.tolist() for name, score in scores.items()} == {"a": [-1], "b": [0]}


def test_scores_need_no_gradient():
    criterion = Movement()
    weights = {"a": weight_with_gradient([1.0], [1.0])}
    criterion.observe(weights)
    criterion(weights, evidence=NOTHING)["a"].fill_(9)
    scores = criterion(weights, evidence=NOTHING)["a"]
    assert scores.tolist() == [-1]
    assert not scores.requires_grad
    assert weights["a"].grad.tolist() == [1]


def test_weights_that_descent_moves_to_zero_are_pruned_first():
    """The loss moves the first weight to 0 and the second to 3."""
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    criterion, optimizer = Movement(), torch.optim.SGD([weight], lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        (weight - torch.tensor([0.0, 3.0])).square().sum().backward()
        criterion.observe({"w": weight})
        optimizer.step()
    first, second = criterion({"w": weight}, evidence=NOTHING)["w"].tolist()
    assert first < 0 < second


def train(model, criterion, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for images, labels in batches:
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        criterion.observe(prunable_weights(model))
        optimizer.step()


def make_model_and_batches():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    generator = make_generator(0)
    return model, [(torch.randn(4, 5, generator=generator), torch.tensor([0, 1, 2, 0])) for _ in range(6)]


def test_a_checkpoint_continues_exactly(tmp_path):
    model, batches = make_model_and_batches()
    whole = Movement()
    train(model, whole, batches)

    model, batches = make_model_and_batches()
    first, second = Movement(), Movement()
    train(model, first, batches[:3])
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(model, second, batches[3:])
    expected, found = (c(prunable_weights(model), evidence=NOTHING) for c in (whole, second))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_saved_state_does_not_change_afterwards():
    criterion, weights = Movement(), {"a": weight_with_gradient([1.0], [1.0])}
    criterion.observe(weights)
    state = criterion.state_dict()
    loaded = Movement()
    loaded.load_state_dict(state)
    criterion.observe(weights)
    loaded.observe(weights)
    assert state["totals"]["a"].tolist() == [-1]


def test_before_training_gradients_stand_in():
    model, batches = make_model_and_batches()
    evidence = Evidence(model=model, example=batches[0][0], generator=make_generator(0), batches=batches)
    weights = prunable_weights(model)
    criterion = Movement(num_batches=2)
    criterion.load_state_dict(Movement().state_dict())
    first, second = evidence.gradients(2)
    scores = criterion(weights, evidence=evidence)
    for name, weight in weights.items():
        torch.testing.assert_close(scores[name], -(first[name] + second[name]) * weight.detach())
    train(model, criterion, batches[:1])
    assert not torch.equal(criterion(weights, evidence=evidence)["0.weight"], scores["0.weight"])
    assert criterion.state_dict()["totals"].keys() == weights.keys()
