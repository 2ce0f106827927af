"""Commands of the baselines that are derived from a sweep's jobs. Nothing is run."""

from dataclasses import asdict

import pytest
from runs import ROOT

from compression.config.compose import compose_job
from compression.sweep.baselines.overrides import (
    CRITERION,
    dense_overrides,
    describe_baselines,
    make_random_jobs,
    narrow_overrides,
    own_width,
    prunes_by_choice,
    random_overrides,
)
from compression.sweep.jobs import Job

STRATEGIES = sorted(path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml"))
# No pruning, a random criterion, a criterion with settings, one without settings, and regrowth.
REPRESENTATIVE = {"none", "oneshot_random", "oneshot_structured_l2", "snip", "rigl"}
RANDOM = {"none", "oneshot_random", "iterative_random"}


def make_jobs(*commands, axes=()):
    jobs = []
    for number, command in enumerate(commands):
        lines = command.split()
        config, digest = compose_job(lines)
        values = dict(line.split("=") for line in lines)
        jobs.append((config, Job(f"j{number}-{digest}", tuple(lines), {key: values[key] for key in axes})))
    return jobs


@pytest.mark.parametrize(
    "name",
    [name if name in REPRESENTATIVE else pytest.param(name, marks=pytest.mark.slow) for name in STRATEGIES],
)
def test_the_random_counterpart_differs_only_in_its_criterion(name):
    config, _ = compose_job([f"strategy={name}"])
    assert prunes_by_choice(config) == (name not in RANDOM)
    if not prunes_by_choice(config):
        return
    random, _ = compose_job([f"strategy={name}", *random_overrides(config)])
    assert random.strategy.criterion == {"_target_": CRITERION}
    assert random.strategy.name.endswith("_random")
    assert not random.strategy.regrowth
    assert not prunes_by_choice(random)
    chosen, other = asdict(config), asdict(random)
    for key in ("name", "criterion", "regrowth"):
        del chosen["strategy"][key], other["strategy"][key]
    assert chosen == other


@pytest.mark.parametrize(
    ("name", "counterpart"),
    [
        ("oneshot_l1", "oneshot_random"),
        pytest.param("iterative_l1", "iterative_random", marks=pytest.mark.slow),
    ],
)
def test_the_random_counterpart_equals_the_random_strategy_in_conf(name, counterpart):
    config, _ = compose_job([f"strategy={name}", "sparsity=0.7"])
    _, made = compose_job([f"strategy={name}", "sparsity=0.7", *random_overrides(config)])
    assert made == compose_job([f"strategy={counterpart}", "sparsity=0.7"])[1]


def test_jobs_at_different_places_have_separate_random_jobs():
    jobs = make_jobs(
        "strategy=oneshot_l1 sparsity=0.5",
        "strategy=oneshot_l1 sparsity=0.9",
        "strategy=snip sparsity=0.5",
        "strategy=none sparsity=0",
        axes=("strategy", "sparsity"),
    )
    made = [job for _, job in make_random_jobs(jobs, compose_job)]
    assert [job.kind for job in made] == ["random"] * 3
    assert [dict(job.axes) for job in made] == [
        {"strategy": "oneshot_random", "sparsity": "0.5"},
        {"strategy": "oneshot_random", "sparsity": "0.9"},
        {"strategy": "snip_random", "sparsity": "0.5"},
    ]
    assert len({job.name for job in made}) == 3
    assert made[0].name.startswith("random_")
    assert describe_baselines([*jobs, *zip([None] * 3, made, strict=True)]).startswith(
        "3 of the jobs are random pruning. After them at most 3 small"
    )


def test_random_jobs_of_the_grid_are_not_added_again():
    grid = make_jobs("strategy=oneshot_l1", "strategy=oneshot_random", axes=("strategy",))
    assert make_random_jobs(grid, compose_job) == []


def test_jobs_that_differ_only_in_the_criterion_share_a_random_job():
    command = "strategy=oneshot_structured_l2 strategy.criterion.p={}"
    grid = make_jobs(command.format(1), command.format(2), axes=("strategy.criterion.p",))
    [(_, job)] = make_random_jobs(grid, compose_job)
    assert job.axes == {}


def test_the_key_baselines_does_not_change_the_digest():
    assert compose_job(["baselines=true"])[1] == compose_job([])[1]


def test_dense_overrides_drop_all_compression():
    command = [
        "model=resnet18",
        "seed=3",
        "training.epochs=2",
        "strategy=snip",
        "strategy.criterion.num_batches=3",
        "+strategy.schedule.steps=1",
        "sparsity=0.9",
        "bits=4",
        "weight_bits=2",
        "distillation=logit",
        "distillation.alpha=0.5",
        "distillation/student=mobilenet_v2",
        "quantization=qat",
        "quantization/weights=lsq",
    ]
    kept = dense_overrides(command, epochs=2)
    assert kept[:3] == command[:3]
    assert all(line.split("=")[0] not in ("bits", "distillation.alpha") for line in kept)
    assert compose_job(kept)[1] == compose_job([*command[:3], "strategy=none", "weight_bits=8", "activation_bits=8"])[1]


def test_dense_overrides_undo_the_compression_of_a_preset():
    config, _ = compose_job(dense_overrides(["experiment=study_c_record", "data.root=."], epochs=15, taught=True))
    assert not config.strategy.prunes
    assert not config.distillation.teaches
    assert (config.weight_bits, config.activation_bits, config.training.epochs) == (8, 8, 15)


@pytest.mark.parametrize(
    ("lines", "width"),
    [
        (["model=mobilenet_v2"], 1.0),
        (["model=resnet18", "model.width_mult=0.5"], 0.5),
        (["model=vgg11"], 1.0),
        (["model=vgg11", "model.width_mult=0.25"], 0.25),
        (["model=custom", "model._target_=tiny_net.TinyNet"], None),
        (["model=custom", "model._target_=tiny_net.scalable_tiny_net"], 1.0),
    ],
)
def test_the_width_of_a_model(lines, width):
    assert own_width(compose_job(lines)[0].model) == width


def test_a_narrow_network_is_trained_from_scratch():
    model = compose_job(["model=resnet18", "model.pretrained=true", "model.stem=imagenet"])[0].model
    assert narrow_overrides(model, 1.0) == []
    assert narrow_overrides(model, 0.5) == [
        "++model.width_mult=0.5",
        "model.pretrained=false",
        "training.freeze_epochs=0",
        "training.fine_tune=false",
    ]
    given = narrow_overrides({**model, "pretrained": False, "weights": "x"}, 0.5)
    assert given[1:] == ["model.weights=null", "training.freeze_epochs=0", "training.fine_tune=false"]
