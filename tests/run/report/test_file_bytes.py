from small_files import save_colours

from compression.run.report.file_bytes import with_byte_parts


def test_both_models_get_their_parts_and_the_formula(tmp_path):
    save_colours(tmp_path / "dense.cmp", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    save_colours(tmp_path / "small.cmp", [[1.0, 0.0, 0.0], [0.0, 0.0, 6.0]])
    evaluated = {
        "dense": {"accuracy": 0.9, "bytes": {"artifact": 1}},
        "compressed": {"accuracy": 0.8, "bytes": {"artifact": 2}},
        "timing": {},
    }
    found = with_byte_parts(evaluated, {"dense": tmp_path / "dense.cmp", "compressed": tmp_path / "small.cmp"})
    # 6 and 2 weights of 32 bits with 3 bits each; floats have no scales.
    assert found["dense"]["bytes"]["formula"] == -(-6 * 35 // 8)
    assert found["compressed"]["bytes"]["formula"] == -(-2 * 35 // 8)
    assert sum(found["dense"]["bytes"]["parts"].values()) == (tmp_path / "dense.cmp").stat().st_size
    assert sum(found["compressed"]["bytes"]["parts"].values()) == (tmp_path / "small.cmp").stat().st_size
    assert (found["dense"]["accuracy"], found["dense"]["bytes"]["artifact"]) == (0.9, 1)
    assert "parts" not in evaluated["dense"]["bytes"]
