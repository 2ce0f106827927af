"""Pictures of what compression did to a model: one a file, each a pure function that returns a Figure.

Figures are made without pyplot, so they can be drawn in any thread and are freed like any object.
"""

import io
from pathlib import Path

from matplotlib.figure import Figure

from compression.system.files import write_atomic

DPI = 120


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write ``figure`` to ``path`` as a PNG on white; at every moment the old file or the new one stands there."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight")
    write_atomic(path, buffer.getvalue())
