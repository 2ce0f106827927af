"""Write the tables of results in README.md, docs/results.md and experiments/ from the records in this folder.

    make results                                        # writes them
    python experiments/make_results.py --check          # fails if a table differs from its records

A table stands between two comments, ``<!-- results: NAME -->`` and ``<!-- end -->``. NAME is a function in ``TABLES``.
"""

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial

from result_tables.c_export import make_c_export
from result_tables.demo import make_demo
from result_tables.known_studies import make_studies
from result_tables.macs_steps import make_steps
from result_tables.magnetic_tiles import make_tiles
from result_tables.narrow import make_narrow
from result_tables.quantization import make_int8
from result_tables.resnet18 import make_resnet18
from result_tables.small_files import make_exponents, make_small_files
from result_tables.sparse_engine import make_goals, make_kernels, make_sparse
from result_tables.storage import make_bounds, make_codecs, make_nncodec, make_prices
from result_tables.study_a import make_study_a
from result_tables.study_b import make_classes, make_study_b
from result_tables.study_c import make_study_c
from result_tables.study_d import make_classes_d, make_study_d
from result_tables.study_e import make_study_e
from result_tables.summary import make_summary
from result_tables.table import HERE
from result_tables.training import make_training

PAGES = (
    HERE.parent / "README.md",
    HERE.parent / "docs" / "results.md",
    HERE / "sparse_engine" / "README.md",
    HERE / "storage" / "README.md",
    HERE / "storage" / "nncodec" / "README.md",
    HERE / "c_export" / "README.md",
    HERE / "pruning_for_macs" / "README.md",
    HERE / "studies" / "README.md",
    HERE / "studies" / "a" / "README.md",
    HERE / "studies" / "b" / "README.md",
    HERE / "studies" / "c" / "README.md",
    HERE / "studies" / "d" / "README.md",
    HERE / "studies" / "e" / "README.md",
    HERE / "studies" / "narrow" / "README.md",
    HERE / "studies" / "resnet18" / "README.md",
    HERE / "studies" / "small" / "README.md",
)
BLOCK = re.compile(r"(<!-- results: ([\w ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

TABLES: dict[str, Callable[[], str]] = {
    "demo": make_demo,
    "summary": make_summary,
    "int8": make_int8,
    "sparse": make_sparse,
    "goals": make_goals,
    "kernels": make_kernels,
    "macs steps": make_steps,
    "c export": make_c_export,
    "training": make_training,
    "tiles": make_tiles,
    "studies": make_studies,
    "study a": make_study_a,
    "study b": make_study_b,
    "classes": make_classes,
    "study c": make_study_c,
    "study d": make_study_d,
    "classes d": make_classes_d,
    "study e": make_study_e,
    "narrow": make_narrow,
    "resnet18": make_resnet18,
    "small files": make_small_files,
    "exponents": make_exponents,
    **{f"codecs {model}": partial(make_codecs, model) for model in ("mobilenet_v2", "resnet18")},
    **{f"bounds {model}": partial(make_bounds, model) for model in ("mobilenet_v2", "resnet18")},
    **{f"prices {curve}": partial(make_prices, curve) for curve in ("mobilenet_v2_90", "resnet18_90")},
    **{f"nncodec {curve}": partial(make_nncodec, curve) for curve in ("mobilenet_v2_90", "resnet18_90")},
}


def fill(text: str) -> str:
    """Return a page with every table made again. Raises KeyError for an unknown table."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[4]}", text)


def main() -> None:
    """Write the pages, or say which of them is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a page is out of date")
    check = parser.parse_args().check
    stale = [page for page in PAGES if fill(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.name} {'differs from its records: run make results' if check else 'written'}")
        if not check:
            page.write_text(fill(page.read_text()))
    if check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
