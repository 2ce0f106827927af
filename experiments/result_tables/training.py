"""The table of training speed."""

from result_tables.table import read, to_table


def make_training() -> str:
    """Return the images per second of trainings."""
    kinds = ("plain", "bare", "ours", "bf16")
    rows = (
        (
            row["model"] if "stem" in row["model"] else f"{row['model']}, cifar stem",
            *(f"{row[kind]['wall']:,.0f}" for kind in kinds),
            f"{row['ours over plain']['median']:.1f}x",
        )
        for row in read("training_throughput/results.json")["rows"]
    )
    return to_table(("network", "plain loop", "bare step", "ours", "ours in bf16", "ours / plain"), rows)
