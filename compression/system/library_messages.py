"""Warnings of libraries: they stand in the log file of a run, and not among the lines that a user reads."""

import logging
import os

# Python's warnings, and the libraries whose warnings no user of this package can act on.
_LOGGERS = ("py.warnings", "lightning.fabric", "lightning.pytorch", "onnxscript", "torch")


class _ToFiles(logging.Handler):
    """Hands records to the log files of the root logger; errors, and all records at debug level, to the screen too."""

    def emit(self, record: logging.LogRecord) -> None:
        # Python's warnings end with a line break.
        record.msg, record.args = record.getMessage().rstrip(), ()
        root = logging.getLogger()
        shown = record.levelno >= logging.ERROR or root.isEnabledFor(logging.DEBUG)
        for handler in root.handlers or [logging.StreamHandler()]:
            if shown or isinstance(handler, logging.FileHandler):
                handler.handle(record)


_HANDLER = _ToFiles()


def keep_in_log_file() -> None:
    """Send warnings of Python, PyTorch, Lightning and onnxscript to the log file only; ``TORCH_LOGS`` is respected.

    The log file may be opened later. Without one they are dropped, unless the level is debug (``hydra.verbose=true``).
    """
    logging.captureWarnings(True)
    for name in _LOGGERS:
        if name == "torch" and os.environ.get("TORCH_LOGS"):
            continue
        logger = logging.getLogger(name)
        logger.handlers = [_HANDLER]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
