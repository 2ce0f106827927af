"""Errors of the user's input as one line and exit code 2."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from compression.core.errors import InputError
from compression.system.disk import DiskFullError
from compression.system.extras import explain_import


class OneLineErrors(TyperGroup):
    """A group of commands that prints ``error: ...`` for an error in the user's input."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command of ``ctx``; raise ``typer.Exit`` with code 2 for an error in the user's input."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            message = str(error)
        except DiskFullError as error:
            message = str(error)
        except ModuleNotFoundError as error:
            missing = explain_import(error)
            if missing is None:
                raise
            message = missing
        except OSError as error:
            message = f"{error.filename or 'file'}: {error.strerror or error}"
        except Exception as error:
            explained = _explain(error)
            if explained is None:
                raise
            message = explained
        typer.echo(f"error: {message}", err=True)
        raise typer.Exit(2)


def _explain(error: Exception) -> str | None:
    """Return the one-line message of train.py for an error that Hydra has wrapped; None for a defect."""
    # Only a command that composes a configuration imports Hydra, which few commands need.
    if "hydra" not in sys.modules:
        return None
    from compression.config.explain import explain

    return explain(error)
