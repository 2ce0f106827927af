"""Everything that is not training, as commands: `compression` or `python -m compression`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from compression.core.errors import InputError
from compression.system.disk import DiskFullError
from compression.system.extras import explain_import
from compression.system.spinning import limit_spinning


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
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
    from compression.commands import predict_images as command

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
    from compression.commands.inspect_model import inspect_file

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
    from compression.commands.compare_codecs import compare_storage

    picture = picture or file.with_suffix(".storage.png")
    typer.echo(compare_storage(file, picture=picture, max_bytes=max_bytes))
    typer.echo(f"\npicture: {picture}")


@app.command()
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(help="model.cmp files of any folders, and dense.safetensors of runs.", metavar="FILE..."),
    ],
    measure: Annotated[bool, typer.Option("--measure", help="Time all of them in turns, in one run.")] = False,
    agree: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGES", help="Image or folder: how often do the files name the same class?"),
    ] = None,
    engine: Annotated[Engine, typer.Option(help="What runs them.")] = Engine.onnxruntime,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a batch that is timed.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 30,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores if left out.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Put files side by side: architecture, sparsity, bits, every byte, MACs, and what their runs found."""
    from compression.commands.compare_models import Measuring, compare_files
    from compression.commands.compared_file import open_file
    from compression.commands.predict_images import list_images

    images = list_images(agree or [])
    allow = _make_importable(allow_import)
    opened = [open_file(file, allow=allow, max_bytes=max_bytes) for file in files]
    threads = threads or _count_cores()
    measuring = Measuring(engine.value, batch_size, threads, repeats=repeats) if measure else None
    typer.echo(compare_files(opened, measuring=measuring, images=images, engine=engine.value, threads=threads))


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
    from compression.commands.measure_layers import run_sensitivity

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
    from compression.commands.convert_model import convert_file

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
    from compression.commands.search_configurations import run_search

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

    from compression.commands.show_status import is_over, show_status

    console = Console(width=None if sys.stdout.isatty() else 120)
    if not watch:
        console.print(show_status(folder))
        return
    # Title, head, caption and the lines of the table's edge are not rows; a row of several lines may still be cut.
    rows = console.height - 8 if console.is_terminal else None
    with Live(show_status(folder, most=rows), console=console, auto_refresh=False) as live:
        while not is_over(folder):
            time.sleep(2)
            live.update(show_status(folder, most=rows), refresh=True)


store_app = typer.Typer(
    help="Look after the finished stages of an output folder.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(store_app, name="store")

OutputDir = Annotated[
    Path, typer.Option("--output-dir", metavar="DIR", help="Folder of the runs, as output_dir of train.py.")
]
Runs = Annotated[
    list[Path] | None,
    typer.Option("--runs", metavar="DIR", help="Further folder with runs that use this store. May be given twice."),
]
_OUTPUTS = Path("outputs")


@store_app.command("ls")
def list_store(
    output_dir: OutputDir = _OUTPUTS,
    runs: Runs = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the stages: what made them, their size, how long they took, when they were last used."""
    from json import dumps

    from compression.commands import manage_store as command

    listed = command.list_stages(command.find_store(output_dir), runs=runs or [])
    typer.echo(dumps(listed, indent=1) if json else command.format_stages(listed))


@store_app.command("gc")
def clean_store(
    output_dir: OutputDir = _OUTPUTS,
    runs: Runs = None,
    keep_days: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Keep what was used in the last days, whoever made it.")
    ] = 0.0,
    max_bytes: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Remove the least recently used, only until this is left, e.g. 5GiB."),
    ] = None,
    also_of_runs: Annotated[
        bool, typer.Option("--also-of-runs", help="For --max-bytes, remove what runs need as well.")
    ] = False,
    interrupted: Annotated[
        bool, typer.Option("--interrupted", help="Remove what interrupted runs would go on from as well.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove the stages that no run needs, and never one that is being made or read."""
    from compression.commands import manage_store as command
    from compression.core.sizes import parse_size
    from compression.stage_store.cleaning import Rules

    if also_of_runs and max_bytes is None:
        raise InputError("--also-of-runs needs --max-bytes SIZE: how much may stay")
    rules = Rules(
        keep_days=keep_days,
        max_bytes=None if max_bytes is None else parse_size(max_bytes, key="--max-bytes"),
        also_of_runs=also_of_runs,
        interrupted=interrupted,
    )
    text, fits = command.collect_garbage(command.find_store(output_dir), runs=runs or [], rules=rules, dry_run=dry_run)
    typer.echo(text)
    if not fits:
        raise typer.Exit(1)


@store_app.command("verify")
def verify_store(
    output_dir: OutputDir = _OUTPUTS,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove damaged stages: they are made anew when asked for.")
    ] = False,
) -> None:
    """Read every stage again and compare it with the checksums it was published with."""
    from compression.commands import manage_store as command

    text, whole = command.verify_stages(command.find_store(output_dir), remove_damaged=remove)
    typer.echo(text)
    if not whole:
        raise typer.Exit(1)


Sweep = Annotated[
    Path,
    typer.Argument(help="Folder of a sweep, or one that holds runs, e.g. outputs/sweep-digits.", metavar="DIR"),
]


@app.command()
def report(folder: Sweep) -> None:
    """Make tables, pictures and picks of a sweep again from its records, whatever failed."""
    from compression.commands.report_sweep import report_sweep

    _print(report_sweep(folder))


@app.command()
def recommend(
    folder: Sweep,
    max_drop: Annotated[
        float | None, typer.Option(metavar="POINTS", help="Percentage points of accuracy that may be lost, e.g. 1.0.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(metavar="SIZE", help="Largest file, e.g. 300KiB or 1.5MB.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="Longest time for a batch in the fastest engine, e.g. 0.5ms.")
    ] = None,
) -> None:
    """Print the best finished configuration within limits, how near the others came, and what to run next."""
    from compression.commands.recommend_model import recommend_within

    _print(recommend_within(folder, max_drop=max_drop, max_bytes=max_bytes, max_latency=max_latency))


def _print(content: Any) -> None:
    from rich.console import Console

    # A file or a pipe has no width: what is there must not depend on a terminal's.
    Console(width=None if sys.stdout.isatty() else 120, soft_wrap=not sys.stdout.isatty()).print(content)


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
    limit_spinning()
    app(prog_name="compression")
