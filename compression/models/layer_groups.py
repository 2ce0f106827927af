"""Layers of the built-in families that are quantized alike, as shell patterns of their names."""

_GROUPS: dict[str, dict[str, list[str]]] = {
    "compression.models.mobilenet_v2.mobilenet_v2": {
        "first_conv": ["features.0.*"],
        "inverted_residual": [f"features.{block}.*" for block in range(1, 18)],
        "final_conv": ["features.18.*"],
        "classifier": ["classifier.*"],
    },
    "compression.models.resnet18.resnet18": {
        "first_conv": ["conv1"],
        "residual": ["layer?.*.conv?"],
        "shortcut": ["layer?.*.downsample.*"],
        "classifier": ["fc"],
    },
    "compression.models.vgg11.vgg11": {
        "first_conv": ["features.0"],
        "features": ["features.*"],
        "classifier": ["classifier*"],
    },
}


def layer_groups(target: str) -> dict[str, list[str]]:
    """Return the groups of a family by name; none for a model of another kind."""
    return _GROUPS.get(target, {})
