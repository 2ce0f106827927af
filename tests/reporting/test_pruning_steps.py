import yaml

from compression.reporting.pruning_steps import describe_timing, make_history, to_markdown, to_yaml

STEPS = [
    {"step": 1, "update": 0, "sparsity": 0.5, "accuracy_before": 0.4, "accuracy_after": 0.9, "bytes": 2048},
    {"step": 2, "update": 60, "sparsity": 0.75, "accuracy_before": 0.3, "accuracy_after": None, "bytes": 1024},
]
DENSE = {"accuracy_after": 0.95, "bytes": 4096}
TIMED = {"engine": "eager", "batch_size": 64, "latency_ms": {"dense": {"median": 2.0}, "02": {"median": 1.254}}}
NOTE = "Accuracy is on held-out training images; sparsity is the share of weights that are zero or removed."


def test_the_dense_model_is_step_0_and_untimed_steps_have_no_latency():
    rows = make_history(STEPS, unpruned=DENSE, timed=TIMED)
    assert rows[0] == DENSE | {"step": 0, "update": None, "sparsity": 0.0, "accuracy_before": None, "latency_ms": 2.0}
    assert [row["latency_ms"] for row in rows] == [2.0, None, 1.254]
    assert [row["latency_ms"] for row in make_history(STEPS, unpruned=DENSE, timed=None)] == [None] * 3
    # The input does not change.
    assert "latency_ms" not in STEPS[0]


def test_markdown():
    text = to_markdown(make_history(STEPS, unpruned=DENSE, timed=TIMED), timed=TIMED)
    assert text.splitlines() == [
        "| step | sparsity | before recovery | after recovery | file | latency |",
        "|---:|---:|---:|---:|---:|---:|",
        "| unpruned | 0.00 % |  | 95.00 % | 4.0 KiB | 2.00 ms |",
        "| 1 | 50.00 % | 40.00 % | 90.00 % | 2.0 KiB |  |",
        "| 2 | 75.00 % | 30.00 % |  | 1.0 KiB | 1.25 ms |",
        "",
        f"{NOTE} Latency: eager, batch 64.",
    ]


def test_the_bytes_of_a_student_are_not_known():
    rows = make_history(STEPS, unpruned={"accuracy_after": 0.95, "bytes": None}, timed=None)
    assert "| unpruned | 0.00 % |  | 95.00 % |  |  |" in to_markdown(rows, timed=None)


def test_note_without_timing_does_not_mention_latency():
    text = to_markdown(make_history(STEPS, unpruned=DENSE, timed=None), timed=None)
    assert text.endswith(f"\n{NOTE}\n")
    assert describe_timing(TIMED) == "eager, batch 64"


def test_yaml_reads_back_with_its_keys_in_order():
    rows = make_history(STEPS, unpruned=DENSE, timed=TIMED)
    read = yaml.safe_load(to_yaml(rows))
    assert read == rows
    assert [list(row) for row in read] == [list(row) for row in rows]
