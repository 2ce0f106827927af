import dataclasses
import json

import pytest

from compression.runtimes import cpu_features
from compression.runtimes.cpu_features import (
    CpuFeatures,
    derive_cpu_features,
    read_cpu_features,
    saturates_u8s8,
)

HASWELL = "processor\t: 0\nmodel name\t: Old Core\nflags\t\t: fpu sse4_1 avx avx2\nbugs\t: spectre\n\nprocessor\t: 1\n"
ZEN = "processor\t: 0\nmodel name\t: EPYC\nflags\t\t: avx2 avx512bw avx512_vnni\n"
ALDER_LAKE = "processor\t: 0\nmodel name\t: Core\nflags\t\t: avx2 avx_vnni\n"
GRAVITON = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd asimddp i8mm\n"


def derive(cpuinfo, architecture="x86_64", capabilities=None):
    return derive_cpu_features(capabilities or {}, cpuinfo=cpuinfo, architecture=architecture)


def test_without_vnni():
    features = derive(HASWELL)
    assert features == CpuFeatures("Old Core", "x86_64", True, False, False, False, False, False)
    assert saturates_u8s8(features)


@pytest.mark.parametrize("cpuinfo", [ZEN, ALDER_LAKE])
def test_with_vnni(cpuinfo):
    features = derive(cpuinfo)
    assert features.vnni
    assert not saturates_u8s8(features)


def test_arm():
    features = derive(GRAVITON, "aarch64")
    assert (features.dot_product, features.i8mm, features.avx2, features.vnni) == (True, True, False, False)
    assert not saturates_u8s8(features)


def test_pytorch_takes_precedence_over_cpuinfo():
    capabilities = {"avx2": True, "avx512_vnni": False, "avx_vnni": True, "cpu_name": "Core"}
    features = derive("", capabilities=capabilities)
    assert (features.name, features.avx2, features.vnni, features.amx_int8) == ("Core", True, True, None)
    assert derive(HASWELL, capabilities={"avx512_vnni": True}).vnni
    assert derive("", "arm64", {"dot": True, "i8mm": False, "avx2": True}) == dataclasses.replace(
        CpuFeatures(None, "arm64", False, False, False, False, True, False), name=derive("", "arm64").name
    )


@pytest.mark.parametrize(
    ("architecture", "saturates"), [("x86_64", True), ("AMD64", True), ("arm64", False), ("", False)]
)
def test_unknown_features_are_none(architecture, saturates, monkeypatch):
    monkeypatch.setattr(cpu_features.platform, "processor", lambda: "")
    features = derive("", architecture)
    assert features.name is None
    assert {features.vnni, features.dot_product} == {None, False}
    # If VNNI is unknown on x86, weights of 7 bits are correct in any case.
    assert saturates_u8s8(features) is saturates


def test_this_processor(monkeypatch, tmp_path):
    features = read_cpu_features()
    assert features.architecture
    assert json.loads(json.dumps(features.to_json())) == dataclasses.asdict(features)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(cpu_features, "CPUINFO", tmp_path / "none")
    monkeypatch.delattr(cpu_features.torch.cpu, "get_capabilities", raising=False)
    assert read_cpu_features().avx512 in (None, False)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("", (True, True, True)),
        ("all", (True, True, True)),
        ("AVX512_CORE_VNNI", (True, True, True)),
        ("avx512_core", (True, True, False)),
        ("AVX2_VNNI", (True, False, True)),
        ("AVX2", (True, False, False)),
        ("SSE41", (False, False, False)),
    ],
)
def test_an_environment_variable_forbids_features(limit, expected, monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text(ZEN)
    monkeypatch.setattr(cpu_features, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(cpu_features.platform, "machine", lambda: "x86_64")
    monkeypatch.delattr(cpu_features.torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    features = read_cpu_features()
    assert (features.avx2, features.avx512, features.vnni) == expected
    assert saturates_u8s8(features) is not expected[2]
