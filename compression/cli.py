"""Everything that is not training, as commands: `compression` or `python -m compression`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from compression.core.errors import InputError


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            message = str(error)
        except OSError as error:
            message = f"{error.filename or 'file'}: {error.strerror or error}"
        typer.echo(f"error: {message}", err=True)
        raise typer.Exit(2)


class Engine(StrEnum):
    """Engines that can run an artifact."""

    eager = "eager"
    onnxruntime = "onnxruntime"
    openvino = "openvino"


class Target(StrEnum):
    """Formats an artifact can be converted to."""

    state_dict = "state_dict"
    safetensors = "safetensors"
    safetensors_bitmask = "safetensors_bitmask"
    onnx = "onnx"


app = typer.Typer(
    cls=_Group,
    help="Use, look into and convert a compressed model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(help="Compressed model, e.g. outputs/RUN/model.cmp.", metavar="FILE")]
AllowImport = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-import",
        metavar="PACKAGE",
        help="Package that the model's own architecture may be imported from; this runs its code.",
    ),
]
MaxBytes = Annotated[
    int,
    typer.Option(
        "--max-bytes",
        min=1,
        metavar="BYTES",
        help="Memory that the file's tensors may take; a small file can stand for large ones.",
    ),
]
# As in compression.storage.blocks, which takes a second to import.
_MAX_BYTES = 512 << 20


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


@app.command()
def predict(
    file: File,
    images: Annotated[list[Path], typer.Argument(help="Image files, and folders of them.", metavar="IMAGE...")],
    csv: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the probability of every class to a CSV file.")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="What runs the model.")] = Engine.eager,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores if left out.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Print class and probability of each image."""
    from compression.commands import predict as command

    paths = command.list_images(images)
    artifact = _load(file, allow_import, max_bytes)
    predictor = command.make_predictor(artifact, engine=engine.value, threads=threads or _count_cores())
    predictions = list(command.predict_images(artifact, paths, predictor=predictor))
    typer.echo(command.format_predictions(predictions, class_names=artifact.class_names))
    if csv is not None:
        command.write_csv(csv, predictions, class_names=artifact.class_names)


@app.command()
def inspect(file: File, max_bytes: MaxBytes = _MAX_BYTES) -> None:
    """Print what the file holds: architecture, input, every tensor, and where the bytes are."""
    from compression.commands.inspect import inspect_file

    typer.echo(inspect_file(file, max_bytes=max_bytes))


@app.command()
def storage(
    file: File,
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Where to draw it; FILE.storage.png if left out.")
    ] = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Compare all codecs on the weights of a file: bytes, seconds, and from which sparsity each beats dense."""
    from compression.commands.storage import compare_storage

    picture = picture or file.with_suffix(".storage.png")
    typer.echo(compare_storage(file, picture=picture, max_bytes=max_bytes))
    typer.echo(f"\npicture: {picture}")


class Kind(StrEnum):
    """What sensitivity prunes."""

    weights = "weights"
    channels = "channels"


@app.command()
def sensitivity(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="As for train.py, e.g. model=vgg11 seed=1.")
    ] = None,
    kind: Annotated[
        list[Kind] | None, typer.Option(help="What to prune; both if left out. May be given twice.")
    ] = None,
) -> None:
    """Measure what pruning each layer alone costs, on the dense model of a configuration.

    The model is trained if it is not there yet; a measurement that was stopped goes on where it was.
    """
    from compression.commands.sensitivity import run_sensitivity

    _find_modules_here()
    text, folder = run_sensitivity(overrides or [], kinds=[one.value for one in kind] if kind else None)
    typer.echo(f"{text}\n\nin {folder}: tables as json, pictures")


@app.command()
def convert(
    file: File,
    to: Annotated[Target, typer.Option(help="Format to write.")],
    output: Annotated[Path | None, typer.Option(metavar="OUT", help="File to write; beside FILE if left out.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Write the model as a PyTorch state dict, as safetensors (without zeros, if you like) or as ONNX."""
    from compression.commands.convert import convert_file

    written = convert_file(file, to=to.value, output=output, allow=_make_importable(allow_import), max_bytes=max_bytes)
    typer.echo(f"{written.path}: {written.label}: {written.num_bytes:,} bytes")


@app.command()
def search(
    space: Annotated[
        Path, typer.Option(help="Keys with lists of values or ranges, as YAML.", metavar="FILE", dir_okay=False)
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="As for train.py, e.g. model=vgg11 name=mine.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many in all, those on disk included.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn; of training it is the key seed.")] = 0,
) -> None:
    """Look for the configurations of best accuracy and fewest bytes, trial by trial.

    The same command goes on where it was stopped, and shares the trials with another process of the same command.
    """
    from compression.commands.search import run_search

    _find_modules_here()
    text, found = run_search(overrides or [], space=space, num_trials=trials, seed=seed)
    typer.echo(text)
    if not found:
        raise typer.Exit(1)


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep, e.g. outputs/sweep-...", metavar="DIR")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every two seconds until all jobs ended.")
    ] = False,
) -> None:
    """Print how the jobs of a sweep stand: waiting, running, finished, or why they ended."""
    import time

    from rich.console import Console
    from rich.live import Live

    from compression.commands.status import is_over, show_status

    console = Console(width=None if sys.stdout.isatty() else 120)
    if not watch:
        console.print(show_status(folder))
        return
    with Live(show_status(folder), console=console, auto_refresh=False) as live:
        while not is_over(folder):
            time.sleep(2)
            live.update(show_status(folder), refresh=True)


def _load(file: Path, allow_import: list[str] | None, max_bytes: int) -> Any:
    from compression.artifact import load_artifact

    return load_artifact(file, allow=_make_importable(allow_import), max_bytes=max_bytes)


def _make_importable(packages: list[str] | None) -> list[str]:
    if packages:
        _find_modules_here()
    return packages or []


def _find_modules_here() -> None:
    # A console script lacks what `python -m` has: the folder one stands in.
    if "" not in sys.path:
        sys.path.insert(0, "")


def _count_cores() -> int:
    import torch

    return torch.get_num_threads()


def main() -> None:
    """Run the command line."""
    app(prog_name="compression")
