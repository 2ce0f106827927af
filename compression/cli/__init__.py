"""The command line ``compression`` or ``python -m compression``: all commands besides ``train.py``."""

from typing import Annotated

import typer

from compression.cli.analyze_arguments import analyze
from compression.cli.compare_arguments import compare
from compression.cli.convert_arguments import convert
from compression.cli.data_arguments import data
from compression.cli.inspect_arguments import inspect
from compression.cli.kernels_arguments import kernels
from compression.cli.one_line_errors import OneLineErrors
from compression.cli.predict_arguments import predict
from compression.cli.recommend_arguments import recommend
from compression.cli.report_arguments import report
from compression.cli.search_arguments import search
from compression.cli.sensitivity_arguments import sensitivity
from compression.cli.status_arguments import status
from compression.cli.storage_arguments import storage
from compression.cli.store_arguments import clean_store, list_store, verify_store
from compression.system.library_messages import keep_in_log_file
from compression.system.spinning import limit_spinning

# In the order of ``--help``.
_COMMANDS = (
    *(predict, data, inspect, storage, compare, analyze, sensitivity, convert, kernels, search, status),
    *(report, recommend),
)

app = typer.Typer(
    cls=OneLineErrors,
    help="Use, inspect and convert compressed models; search, report and clean up.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _command in _COMMANDS:
    app.command()(_command)

_store = typer.Typer(
    help="List, clean and verify the stages of an output folder.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(_store, name="store")
_store.command("ls")(list_store)
_store.command("gc")(clean_store)
_store.command("verify")(verify_store)


def _print_version(wanted: bool) -> None:
    if wanted:
        import compression

        typer.echo(f"compression {compression.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    assert not version


def main() -> None:
    """Run the command line and exit. An error of the user's input is one line and exit code 2."""
    limit_spinning()
    keep_in_log_file()
    app(prog_name="compression")
