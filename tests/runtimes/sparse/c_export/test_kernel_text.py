from pathlib import Path

import pytest
from c_programs import STRICT, compile_c

from compression.runtimes.sparse.c_export.kernel_text import flatten_kernels


def test_the_text_needs_no_other_file_of_the_engine() -> None:
    text = flatten_kernels(vector=1, longest_row=3)
    assert '#include "' not in text
    assert "#pragma GCC unroll" not in text
    assert text.startswith("#define VECTOR 1\n#define LONGEST_ROW 3\n")
    assert "static void run(const Operation" in text


@pytest.mark.parametrize("longest_row", [None, 5])
@pytest.mark.parametrize("vector", [1, 4, 8, 16])
def test_every_width_compiles_without_a_warning(vector: int, longest_row: int | None, tmp_path: Path) -> None:
    (tmp_path / "kernels.h").write_text(flatten_kernels(vector=vector, longest_row=longest_row))
    (tmp_path / "main.c").write_text('#include "kernels.h"\nint main(void) { run(0, 0, 0, 0, 0, 0); return 0; }\n')
    compile_c(tmp_path, "-O0", *(STRICT if vector == 1 else ("-Wall", "-Wextra")))
