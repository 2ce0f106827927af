"""The ONNX file of a loaded artifact."""

from pathlib import Path

from compression.artifact import Artifact


def export_artifact(artifact: Artifact, path: Path) -> int:
    """Write the model of ``artifact`` to the ONNX file ``path``; return the size of the file in bytes."""
    # Imported late, because it needs onnx and onnxscript.
    from compression.runtimes.onnx_export import export_onnx

    return export_onnx(
        artifact.model,
        path,
        image_size=artifact.image_size,
        class_names=artifact.class_names,
        mean=artifact.mean,
        std=artifact.std,
        preparation=artifact.preparation,
    )
