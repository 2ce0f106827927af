import pytest

from compression.reporting.quantization_table import to_markdown

CPU = {"name": "a processor", "architecture": "x86_64", "vnni": True, "amx_int8": False, "avx512": True, "avx2": False}


def executed(name, *, integer):
    return {"name": name, "op": "Conv", "integer": integer}


@pytest.fixture
def quantization():
    """Return two layers with 8 and 4 bits, with 100 and 300 weights, of which 10 and 90 are zero."""
    layer = {"weight_bits": 8, "activation_bits": 8, "weights": 100, "zeros": 10, "bytes": 100}
    return {
        "arithmetic": "W4-8A8, executed in integers",
        "method": "ptq",
        "reduced_range": False,
        "left_in_float": [],
        "layers": [
            {"layer": "conv", **layer},
            {"layer": "fc", **layer, "weight_bits": 4, "weights": 1300, "zeros": 340, "bytes": 650},
        ],
        "parity": {
            "engine": "onnxruntime",
            "images": 1797,
            "agreement": 0.999,
            "max_logit_difference": 0.12349,
            "accuracy_executed": 0.97,
            "accuracy_simulated": 0.9712,
            "cpu": CPU | {"dot_product": False, "i8mm": False},
            "executed_layers": {
                "counts": {"Conv": {"integer": 1, "float": 1}, "Gemm": {"integer": 2, "float": 0}},
                "layers": [executed("conv", integer=True), executed("stem", integer=False)],
            },
        },
    }


def test_a_row_for_each_layer_and_the_sum(quantization):
    rows = [line for line in to_markdown(quantization).splitlines() if line.startswith("|")]
    assert rows[2:] == [
        "| conv | 8 | 8 | 100 | 10.0 % | 100 |",
        "| fc | 4 | 8 | 1,300 | 26.2 % | 650 |",
        "| all | | | 1,400 | 25.0 % | 750 |",
    ]


def test_execution_is_compared_with_the_simulation(quantization):
    text = to_markdown(quantization)
    assert "W4-8A8, executed in integers (ptq)." in text
    assert "on 1,797 test images: 99.90 % the same class, logits at most 0.123 apart; " in text
    assert "; accuracy 97.00 % and 97.12 %." in text
    assert "3 ran in integers and 1 in float (stem (Conv)); processor: a processor, vnni, avx512." in text


def test_the_error_of_logits_stands_beside_equal_classes(quantization):
    assert "relative error" not in to_markdown(quantization)
    logits = {"logits": 37_000, "differing_logits": 13_057, "relative_logit_error": 0.0031}
    quantization["parity"] |= {**logits, "agreement": 1.0, "graph_optimization": "ORT_ENABLE_ALL"}
    text = to_markdown(quantization)
    assert "100.00 % the same class, relative error of logits 0.31 % (13,057 of 37,000 differ), logits at most" in text
    assert "processor: a processor, vnni, avx512; graph optimizations: all." in text


def test_at_most_six_float_layers_are_named(quantization):
    layers = [executed(f"l{number}", integer=False) for number in range(8)]
    quantization["parity"]["executed_layers"]["layers"] = layers
    assert "l5 (Conv) and 2 more)" in to_markdown(quantization)
    assert "l6" not in to_markdown(quantization)


def test_a_processor_without_8_bit_instructions_and_name(quantization):
    cpu = dict.fromkeys(quantization["parity"]["cpu"], False)
    quantization["parity"]["cpu"] = cpu | {"name": "", "architecture": "riscv64"}
    assert "processor: riscv64, no known 8-bit instructions." in to_markdown(quantization)


def test_remarks_appear_only_for_special_cases(quantization):
    assert "saturate" not in to_markdown(quantization)
    assert "Left in float" not in to_markdown(quantization)
    text = to_markdown(quantization | {"reduced_range": True, "left_in_float": ["norm", "head"]})
    assert (
        "Weights of 8 bits were rounded to 7, because sums of their products could saturate on this processor." in text
    )
    assert "Left in float: norm, head." in text


def test_the_sparse_engine_is_compared_if_it_ran(quantization):
    assert "sparse" not in to_markdown(quantization)
    quantization["parity"]["sparse"] = {"agreement": 1.0, "max_logit_difference": 0.0}
    assert "The engine sparse, on integers that floats carry: 100.00 % the same class, logits at most 0 apart." in (
        to_markdown(quantization)
    )
