"""Labels of engines in tables: the name, and how the engine runs a quantized model."""

from compression.reporting.metrics import is_imitation

# This engine multiplies floats, also where they carry integers.
_FLOATS = "sparse"


def label_engine(name: str, arithmetic: str | None) -> str:
    """Return e.g. ``onnxruntime (held in 8 bits)``.

    ``arithmetic`` is the text of ``describe_arithmetic``; None or empty for a model in floating point.
    """
    if not arithmetic:
        return name
    if is_imitation(name, quantized=True):
        return f"{name} (simulation)"
    if name == _FLOATS:
        # With float activations, its weights are floats as well. Otherwise floats carry integers.
        held = "weights" if arithmetic.split(",")[0].endswith("A32") else "integers"
        return f"{name} ({held} in floats)"
    # No other engine has kernels for fewer than 8 bits, so such integers run as 8-bit integers.
    return f"{name} (held in 8 bits)" if "simulated" in arithmetic else name
