"""Pictures of the effects of compression: one per file, each drawn by a pure function that returns a Figure.

Figures are made without pyplot, so they can be drawn in any thread and are freed like other objects.
"""

import io
from pathlib import Path

from matplotlib.figure import Figure

from compression.system.files import write_atomic

DPI = 120


def save_figure(figure: Figure, path: Path | str, *, crop: bool = True) -> None:
    """Write ``figure`` to ``path`` as a PNG with a white background, atomically: old or new file, never a part.

    ``crop`` cuts empty borders off.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight" if crop else None)
    write_atomic(path, buffer.getvalue())
