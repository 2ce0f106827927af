"""The command line ``compression`` or ``python -m compression``: all commands besides ``train.py``."""

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
    sparse = "sparse"
    openvino = "openvino"


class Target(StrEnum):
    """Formats that an artifact can be converted to."""

    state_dict = "state_dict"
    safetensors = "safetensors"
    safetensors_bitmask = "safetensors_bitmask"
    onnx = "onnx"
    c = "c"


class Vector(StrEnum):
    """Widths of vectors in exported C: auto is 4, none is standard C."""

    auto = "auto"
    none = "none"
    four = "4"
    eight = "8"
    sixteen = "16"


class Optimize(StrEnum):
    """What exported C is made for."""

    size = "size"
    speed = "speed"


app = typer.Typer(
    cls=_Group,
    help="Use, inspect and convert compressed models; search, report and clean up.",
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
        help="Package that a custom architecture may be imported from; this runs its code. May be given twice.",
    ),
]
MaxBytes = Annotated[
    int,
    typer.Option(
        "--max-bytes",
        min=1,
        metavar="BYTES",
        help="Memory limit for the decoded tensors; a small file can decode to large ones.",
    ),
]
# The value of compression.storage.blocks, repeated here because importing that module takes a second.
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
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of images.", metavar="IMAGE...")],
    csv: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the probability of every class to a CSV file.")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="Engine that runs the model.")] = Engine.eager,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    skip_corrupt: Annotated[
        bool,
        typer.Option("--skip-corrupt", help="Go on past damaged files and dead links; the exit code is then 1."),
    ] = False,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Print the most probable class of each image, and its probability."""
    from compression.commands import predict_images as command

    found = command.find_images(images)
    if not skip_corrupt:
        command.refuse_faults(found, remedy="repair or remove them, or pass --skip-corrupt")
    artifact = _load(file, allow_import, max_bytes)
    if (note := command.describe_risk(artifact, engine=engine.value)) is not None:
        typer.echo(f"note: {note}", err=True)
    predictor = command.make_predictor(artifact, engine=engine.value, threads=threads or _count_cores())
    faults = found.faults if skip_corrupt else None
    predictions = list(command.predict_images(artifact, found.paths, predictor=predictor, faults=faults))
    typer.echo(command.format_predictions(predictions, class_names=artifact.class_names))
    if csv is not None:
        command.write_csv(csv, predictions, class_names=artifact.class_names)
    if found.faults:
        typer.echo(command.format_faults(found), err=True)
        raise typer.Exit(1)


@app.command()
def data(
    root: Annotated[str, typer.Argument(metavar="ROOT|digits|cifar10", help="Folder of class folders, or a dataset.")],
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only files like this, e.g. '*.jpg'; as data.include. May be repeated."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="No files like this, e.g. '*_mask.png'; as data.exclude. May be repeated."
        ),
    ] = None,
    group_pattern: Annotated[
        str | None, typer.Option("--group-pattern", metavar="REGEX", help="As data.group_pattern, e.g. '(part\\d+)_'.")
    ] = None,
    allow_nested: Annotated[
        bool, typer.Option("--allow-nested", help="As data.allow_nested: class folders may hold only folders.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Contact sheet to write; default: NAME_sheet.png here.")
    ] = None,
) -> None:
    """Print what a folder of images holds, what is passed over and what a run refuses, and draw a contact sheet.

    The exit code is 1 if a run refuses the folder.
    """
    from compression.commands.describe_data import Choices, describe_data

    choices = Choices(include or (), exclude or (), group_pattern, allow_nested)
    default = Path(f"{Path(root).expanduser().resolve().name or 'root'}_sheet.png")
    found = describe_data(root, choices=choices, picture=picture or default)
    typer.echo(found.text)
    if found.refused:
        raise typer.Exit(1)


@app.command()
def inspect(file: File, max_bytes: MaxBytes = _MAX_BYTES) -> None:
    """Print the content of a file: architecture, input, every tensor, and a breakdown of its bytes."""
    from compression.commands.inspect_model import inspect_file

    typer.echo(inspect_file(file, max_bytes=max_bytes))


@app.command()
def storage(
    file: File,
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Picture to write; default: FILE with suffix .storage.png.")
    ] = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Compare all codecs on the weights of a file: bytes, seconds, and the sparsity from which each beats dense."""
    from compression.commands.compare_codecs import compare_storage

    picture = picture or file.with_suffix(".storage.png")
    typer.echo(compare_storage(file, picture=picture, max_bytes=max_bytes))
    typer.echo(f"\npicture: {picture}")


@app.command()
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(help="model.cmp files of any folder, or dense.safetensors of runs.", metavar="FILE..."),
    ],
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure here: latency, in turns, and parity of integers.")
    ] = False,
    agree: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGES", help="Image or folder; prints how often the files predict the same class."),
    ] = None,
    engine: Annotated[
        list[Engine] | None,
        typer.Option(
            help="Engine for --measure; may be given several times; default: onnxruntime, and sparse if it can run "
            "all files. The first is used for --agree."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a timed batch.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Number of timed rounds.")] = 30,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Compare files side by side: architecture, sparsity, bits, bytes by part, MACs, and results of their runs."""
    from compression.commands.compare_models import Measuring, compare_files
    from compression.commands.compared_file import open_file
    from compression.commands.predict_images import list_images

    images = list_images(agree or [])
    allow = _make_importable(allow_import)
    opened = [open_file(file, allow=allow, max_bytes=max_bytes) for file in files]
    threads = threads or _count_cores()
    engines = [one.value for one in engine or ()]
    measuring = Measuring(engines, batch_size, threads, repeats=repeats) if measure else None
    agreeing = engines[0] if engines else Engine.onnxruntime.value
    typer.echo(compare_files(opened, measuring=measuring, images=images, engine=agreeing, threads=threads))


@app.command()
def analyze(
    file: Annotated[
        Path, typer.Argument(help="model.cmp of any folder, or dense.safetensors of a run.", metavar="FILE")
    ],
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Model to compare with, usually the dense one: who pays for the change?"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="ROOT|digits|cifar10",
            help="Labelled images: a folder of class folders, or a dataset. Default: the data of FILE's own run.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", metavar="DIR", help="Folder to write; default: failure_analysis beside FILE."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 128,
    num_workers: Annotated[
        int | None,
        typer.Option(
            min=0, help="Worker processes, used only for images that do not fit in memory; default: all cores."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Write how a model fails: classes, confusions, confidence, damaged images; with --against, who pays.

    Record, text and pictures go into one folder.
    """
    from compression.commands.analyze_model import Analyzing, analyze_file, check_analysis
    from compression.commands.compared_file import open_file

    allow = _make_importable(allow_import)
    opened = open_file(file, allow=allow, max_bytes=max_bytes)
    other = None if against is None else open_file(against, allow=allow, max_bytes=max_bytes)
    folder = output_dir or file.parent / "failure_analysis"
    check_analysis(opened, other, folder)
    how = Analyzing(data, batch_size, num_workers, threads or _count_cores())
    typer.echo(analyze_file(opened, other, how=how, folder=folder))


class Kind(StrEnum):
    """Units that ``sensitivity`` prunes."""

    weights = "weights"
    channels = "channels"


@app.command()
def sensitivity(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides as for train.py, e.g. model=vgg11 seed=1."),
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(help="What to prune; default: both, if the model allows. May be given twice."),
    ] = None,
) -> None:
    """Measure the accuracy of a dense model with one layer pruned at a time.

    The model is trained first if the store lacks it. A measurement that was stopped continues where it was.
    """
    from compression.commands.measure_layers import run_sensitivity

    _find_modules_here()
    text, folder = run_sensitivity(overrides or [], kinds=[one.value for one in kind] if kind else None)
    typer.echo(f"{text}\n\nin {folder}: tables as json, pictures")


@app.command()
def convert(
    file: File,
    to: Annotated[Target, typer.Option(help="Format to write.")],
    output: Annotated[
        Path | None, typer.Option(metavar="OUT", help="File to write, or folder for c; default: beside FILE.")
    ] = None,
    vector: Annotated[
        Vector | None, typer.Option(help="For c: floats in a vector; auto is 4, none is standard C11. Default: auto.")
    ] = None,
    optimize: Annotated[Optimize | None, typer.Option(help="For c: small or fast tables. Default: speed.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGES", help="For c: image or folder for the test; default: the run's own data, or noise."
        ),
    ] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Write the model as a PyTorch state dict, as safetensors (with or without zeros), as ONNX or as C source."""
    from compression.commands.convert_model import COptions, convert_file

    given = vector is not None or optimize is not None or images is not None
    options = COptions(vector=vector or Vector.auto, optimize=optimize or Optimize.speed, images=images)
    written = convert_file(
        file,
        to=to.value,
        output=output,
        allow=_make_importable(allow_import),
        max_bytes=max_bytes,
        c_options=options if given else None,
    )
    typer.echo(f"{written.path}: {written.label}: {written.num_bytes:,} bytes")
    for fact in written.facts:
        typer.echo(fact)


@app.command()
def kernels(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs with the same first layer, or their model.cmp files.", metavar="RUN..."),
    ],
    output: Annotated[Path, typer.Option(metavar="OUT", help="Picture to write.")] = Path("kernels.png"),
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = _MAX_BYTES,
) -> None:
    """Draw the filters of the first convolution of several runs side by side, those of the dense model first."""
    from compression.commands.show_kernels import draw_kernels_of

    lines = draw_kernels_of(runs, output=output, allow=_make_importable(allow_import), max_bytes=max_bytes)
    typer.echo("\n".join([*lines, f"in {output}"]))


@app.command()
def search(
    space: Annotated[
        Path, typer.Option(help="YAML file: keys with lists of values, or ranges.", metavar="FILE", dir_okay=False)
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides as for train.py, e.g. model=vgg11 name=mine."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials, including those on disk.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws; training uses the key seed.")] = 0,
) -> None:
    """Search for configurations with high accuracy and few bytes, trial by trial.

    The same command continues a stopped search. Several processes of the same command share the trials.
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
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds until the sweep is over.")] = False,
) -> None:
    """Print the status of each job of a sweep: waiting, running, finished, or why it ended."""
    import time

    from rich.console import Console
    from rich.live import Live

    from compression.commands.show_status import is_over, show_status

    console = Console(width=None if sys.stdout.isatty() else 120)
    if not watch:
        console.print(show_status(folder))
        return
    # Title, header, caption and the table's borders take 8 lines. A row of several lines may still be cut.
    rows = console.height - 8 if console.is_terminal else None
    with Live(show_status(folder, most=rows), console=console, auto_refresh=False) as live:
        while not is_over(folder):
            time.sleep(2)
            live.update(show_status(folder, most=rows), refresh=True)


store_app = typer.Typer(
    help="List, clean and verify the stages of an output folder.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(store_app, name="store")

OutputDir = Annotated[
    Path, typer.Option("--output-dir", metavar="DIR", help="Folder that holds the runs: output_dir of train.py.")
]
Runs = Annotated[
    list[Path] | None,
    typer.Option("--runs", metavar="DIR", help="Additional folder with runs that use this store. May be given twice."),
]
_OUTPUTS = Path("outputs")


@store_app.command("ls")
def list_store(
    output_dir: OutputDir = _OUTPUTS,
    runs: Runs = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the stages: inputs, size, the time they took, and when they were made and last used."""
    from json import dumps

    from compression.commands import manage_store as command

    listed = command.list_stages(command.find_store(output_dir), runs=runs or [])
    typer.echo(dumps(listed, indent=1) if json else command.format_stages(listed))


@store_app.command("gc")
def clean_store(
    output_dir: OutputDir = _OUTPUTS,
    runs: Runs = None,
    keep_days: Annotated[
        float,
        typer.Option(min=0, metavar="DAYS", help="Keep stages used in the last DAYS days, even if no run needs them."),
    ] = 0.0,
    max_bytes: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Remove the least recently used, only until the store fits, e.g. 5GiB."),
    ] = None,
    also_of_runs: Annotated[
        bool, typer.Option("--also-of-runs", help="With --max-bytes, also remove stages that runs need.")
    ] = False,
    interrupted: Annotated[
        bool, typer.Option("--interrupted", help="Also remove checkpoints that interrupted runs would resume.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False,
) -> None:
    """Remove the stages that no run needs. Stages that a process makes or reads stay."""
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
        bool, typer.Option("--remove", help="Remove damaged stages; the next run makes them again.")
    ] = False,
) -> None:
    """Read all files of every stage and compare them with the checksums from when it was published."""
    from compression.commands import manage_store as command

    text, intact = command.verify_stages(command.find_store(output_dir), remove_damaged=remove)
    typer.echo(text)
    if not intact:
        raise typer.Exit(1)


Sweep = Annotated[
    Path,
    typer.Argument(help="Folder of a sweep, or a folder of single runs, e.g. outputs/sweep-digits.", metavar="DIR"),
]


@app.command()
def report(
    folder: Sweep,
    html: Annotated[
        bool, typer.Option("--html", help="Only write the page report.html; DIR may also be a run or an analysis.")
    ] = False,
) -> None:
    """Write tables, pictures, picks and the page of a sweep again from its records, even if jobs failed."""
    from compression.commands.report_sweep import report_html, report_sweep

    if html:
        typer.echo(report_html(folder))
    else:
        _print(report_sweep(folder))


@app.command()
def recommend(
    folder: Sweep,
    max_drop: Annotated[
        float | None, typer.Option(metavar="POINTS", help="Largest loss of accuracy in percentage points, e.g. 1.0.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(metavar="SIZE", help="Largest file, e.g. 300KiB or 1.5MB.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="Longest latency of a batch in the fastest engine, e.g. 0.5ms.")
    ] = None,
) -> None:
    """Print the best finished configuration within limits, the misses of the others, and what to run next."""
    from compression.commands.recommend_model import recommend_within

    _print(recommend_within(folder, max_drop=max_drop, max_bytes=max_bytes, max_latency=max_latency))


def _print(content: Any) -> None:
    from rich.console import Console

    # A file or a pipe has no width. Its content must not depend on the width of a terminal.
    Console(width=None if sys.stdout.isatty() else 120, soft_wrap=not sys.stdout.isatty()).print(content)


def _load(file: Path, allow_import: list[str] | None, max_bytes: int) -> Any:
    from compression.artifact import load_artifact

    return load_artifact(file, allow=_make_importable(allow_import), max_bytes=max_bytes)


def _make_importable(packages: list[str] | None) -> list[str]:
    if packages:
        _find_modules_here()
    return packages or []


def _find_modules_here() -> None:
    # A console script does not import from the current folder, as `python -m` does.
    if "" not in sys.path:
        sys.path.insert(0, "")


def _count_cores() -> int:
    import torch

    return torch.get_num_threads()


def main() -> None:
    """Run the command line and exit. An error of the user's input is one line and exit code 2."""
    limit_spinning()
    app(prog_name="compression")
