"""Processor features for 8-bit arithmetic, and the processors on which such arithmetic saturates."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

CPUINFO = Path("/proc/cpuinfo")
X86 = ("x86_64", "amd64", "i386", "i686", "x86")

# Field of CpuFeatures -> (keys in torch.cpu.get_capabilities(), flags in /proc/cpuinfo).
_X86_NAMES = {
    "avx2": (("avx2",), ("avx2",)),
    "avx512": (("avx512_bw",), ("avx512bw",)),
    "vnni": (("avx512_vnni", "avx_vnni"), ("avx512_vnni", "avx_vnni")),
    "amx_int8": (("amx_int8",), ("amx_int8",)),
}
_ARM_NAMES = {"dot_product": (("dot",), ("asimddp",)), "i8mm": (("i8mm",), ("i8mm",))}


@dataclass(frozen=True)
class CpuFeatures:
    """The instructions that matter to 8-bit networks; None if the answer is unknown.

    ``avx512`` means the byte and word instructions (AVX512BW). ``vnni`` means AVX512-VNNI or AVX-VNNI. ``dot_product``
    and ``i8mm`` are Arm's SDOT/UDOT and 8-bit matrix products.
    """

    name: str | None
    architecture: str
    avx2: bool | None = None
    avx512: bool | None = None
    vnni: bool | None = None
    amx_int8: bool | None = None
    dot_product: bool | None = None
    i8mm: bool | None = None

    @property
    def is_x86(self) -> bool:
        """Whether this is an x86 processor."""
        return self.architecture.lower() in X86

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary of plain values."""
        return asdict(self)


# With this variable a user forbids newer instructions to oneDNN, and so to OpenVINO. _LIMITS maps each value to the
# features that it forbids.
ISA_LIMIT = "ONEDNN_MAX_CPU_ISA"
_LIMITS = {
    "SSE41": ("avx2", "avx512", "vnni", "amx_int8"),
    "AVX": ("avx2", "avx512", "vnni", "amx_int8"),
    "AVX2": ("avx512", "vnni", "amx_int8"),
    "AVX2_VNNI": ("avx512", "amx_int8"),
    "AVX2_VNNI_2": ("avx512", "amx_int8"),
    "AVX512_CORE": ("vnni", "amx_int8"),
    "AVX512_CORE_VNNI": ("amx_int8",),
    "AVX512_CORE_BF16": ("amx_int8",),
    "AVX512_CORE_FP16": ("amx_int8",),
}


def read_cpu_features() -> CpuFeatures:
    """Return the features that engines may use on this processor.

    They are read from PyTorch, or from /proc/cpuinfo if PyTorch does not know them. A feature is None if neither knows
    it, and False if the environment variable ``ONEDNN_MAX_CPU_ISA`` forbids it.
    """
    # Some supported versions of PyTorch do not have get_capabilities.
    get_capabilities = getattr(torch.cpu, "get_capabilities", dict)
    cpuinfo = CPUINFO.read_text(errors="replace") if CPUINFO.is_file() else ""
    features = derive_cpu_features(get_capabilities(), cpuinfo=cpuinfo, architecture=platform.machine())
    forbidden: dict[str, Any] = dict.fromkeys(_LIMITS.get(os.environ.get(ISA_LIMIT, "").upper(), ()), False)
    return replace(features, **forbidden)


def derive_cpu_features(capabilities: Mapping[str, Any], *, cpuinfo: str, architecture: str) -> CpuFeatures:
    """Return the features from PyTorch's ``capabilities``, or from the text ``cpuinfo`` where they are missing there.

    Features of another architecture are False.
    """
    fields = _parse_cpuinfo(cpuinfo)
    # /proc/cpuinfo calls the field "flags" on x86 and "Features" on Arm.
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    own, foreign = (_X86_NAMES, _ARM_NAMES) if architecture.lower() in X86 else (_ARM_NAMES, _X86_NAMES)
    found: dict[str, bool | None] = dict.fromkeys(foreign, False)
    for feature, (keys, names) in own.items():
        known = [bool(capabilities[key]) for key in keys if key in capabilities]
        if known:
            found[feature] = any(known)
        else:
            found[feature] = bool(flags.intersection(names)) if flags else None
    name = fields.get("model name") or capabilities.get("cpu_name") or platform.processor()
    return CpuFeatures(name=str(name) if name else None, architecture=architecture, **found)


def _parse_cpuinfo(text: str) -> dict[str, str]:
    """Return the fields of the first processor in the text of /proc/cpuinfo."""
    pairs = [line.partition(":") for line in text.split("\n\n")[0].splitlines()]
    return {key.strip(): value.strip() for key, _, value in pairs}


def saturates_u8s8(features: CpuFeatures) -> bool:
    """Return whether sums of products of uint8 activations and int8 weights may saturate on this processor.

    x86 without VNNI uses VPMADDUBSW, which adds two products in int16: 255 * 127 * 2 = 64770 is clipped to 32767. With
    weights of 7 bits, in [-64, 64], the sum fits: 255 * 64 * 2 = 32640. If VNNI is unknown, it counts as missing.
    Source: ONNX Runtime, https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why
    do I need to try U8U8?", which also recommends ``reduce_range``.
    """
    return features.is_x86 and not features.vnni
