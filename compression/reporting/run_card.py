"""The model card of a run, ``model_card.md``: what the model is, how good, how fast, how made, and what was not tested.

Its sections follow Model Cards for Model Reporting (Mitchell et al. 2019, arXiv:1810.03993).
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compression.artifact import Contents
from compression.core.file_facts import read_facts
from compression.core.preparation import COLOUR_NAMES
from compression.core.proportion import wilson_interval
from compression.core.sizes import format_size
from compression.core.text import percent
from compression.quantization.plan import describe_plain_file
from compression.reporting.byte_shares import PARTS
from compression.reporting.engine_label import label_engine
from compression.reporting.markdown import escape, to_table
from compression.reporting.parity_text import describe_logit_error
from compression.reporting.result_table import describe_left_out, format_ratio, format_speedup
from compression.storage.accounting import FORMULA

# Rows of the table of classes; with more classes, the worst are shown.
MOST_CLASSES = 20


def make_model_card(contents: Contents, metrics: Mapping[str, Any]) -> str:
    """Return the card of a run's artifact in Markdown, from the file and the document of ``metrics.json``."""
    sections = [
        _describe_model(contents, metrics),
        _describe_data(contents, metrics),
        _describe_accuracy(metrics),
        _describe_size(metrics),
        _describe_speed(metrics),
        _describe_making(metrics),
        _describe_limits(metrics),
    ]
    return "\n".join(line for section in sections for line in section).rstrip("\n") + "\n"


def _describe_model(contents: Contents, metrics: Mapping[str, Any]) -> Iterator[str]:
    card, run, compressed = contents.card, metrics["run"], metrics["compressed"]
    names, size = card.class_names, card.input.size
    yield from (f"# Model card: {escape(run['name'])}", "")
    yield f"`model.cmp` is an image classifier. It names one of {len(names):,} classes for an image of"
    yield from (f"{size}x{size} {COLOUR_NAMES[card.input.preparation.channels]} pixels.", "")
    shown = ", ".join(map(escape, names[:MOST_CLASSES])) + (", ..." if len(names) > MOST_CLASSES else "")
    arithmetic = None if metrics["quantization"] is None else metrics["quantization"]["arithmetic"]
    yield from _table(
        ("", ""),
        [
            ("architecture", f"`{card.architecture.target}`{', with channels removed' * card.architecture.compacted}"),
            ("arithmetic", arithmetic or describe_plain_file(None)),
            ("parameters", f"{compressed['parameters']:,}, of them {compressed['nonzero_parameters']:,} not zero"),
            ("multiply-accumulates per image", f"{compressed['macs']:,}"),
            ("classes", shown),
        ],
    )


def _describe_data(contents: Contents, metrics: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Data", "")
    facts = read_facts(contents.card.info, num_classes=len(contents.card.class_names)).data
    rows = [("data set", f"`{metrics['run']['data']}`")]
    if facts is not None:
        rows += [(f"{escape(part)} images", f"{count:,}") for part, count in facts.parts.items()]
    rows.append(("fingerprint (SHA-256 of the images)", f"`{metrics['run']['data_settings'].get('fingerprint', '-')}`"))
    yield from _table(("", ""), rows)
    yield "Held-out training images chose the best epoch and the settings; test images were read once, at the end."
    yield ""


def _describe_accuracy(metrics: Mapping[str, Any]) -> Iterator[str]:
    dense, compressed = metrics["dense"], metrics["compressed"]
    yield from (f"## Accuracy on {compressed['test_images']:,} test images", "")
    modes = metrics.get("failure_modes") or {}
    balanced = [_balanced(side, modes.get(name)) for name, side in (("dense", dense), ("compressed", compressed))]
    rows = [
        ("accuracy (95 % interval)", *(_accuracy(side) for side in (dense, compressed))),
        ("balanced accuracy", *balanced),
        ("worst class", *(_worst(side) for side in (dense, compressed))),
    ]
    yield from _table(("", "dense", "this model"), rows)
    if modes.get("change"):
        yield from (escape(modes["change"]["verdict"]), "")
    recalls = [(name, value) for name, value in compressed["accuracy_per_class"].items() if value is not None]
    recalls.sort(key=lambda one: one[1])
    more = f" (the worst {MOST_CLASSES} of {len(recalls):,})" if len(recalls) > MOST_CLASSES else ""
    before = dense["accuracy_per_class"]
    yield from _table(
        (f"class, worst first{more}", "dense", "this model", "change, points"),
        [
            (escape(name), percent(before.get(name)), percent(value), _points(before.get(name), value))
            for name, value in recalls[:MOST_CLASSES]
        ],
    )


def _describe_size(metrics: Mapping[str, Any]) -> Iterator[str]:
    num_bytes, whole = metrics["compressed"]["bytes"], metrics["dense"]["bytes"]["safetensors"]
    total = num_bytes["artifact"]
    yield from ("## Size", "")
    ratio = format_ratio(whole / total, "smaller", "larger")
    yield f"{total:,} bytes ({format_size(total)}); the dense model in float32 has {whole:,} bytes ({ratio})."
    yield ""
    rows = [(PARTS[key], f"{count:,}", f"{100 * count / total:.1f} %") for key, count in num_bytes["parts"].items()]
    yield from _table(("part", "bytes", "share"), rows)
    yield f"Formula {FORMULA}: {num_bytes['formula']:,} bytes."
    yield ""


def _describe_speed(metrics: Mapping[str, Any]) -> Iterator[str]:
    timing = metrics["timing"]
    yield from ("## Speed", "")
    arithmetic = None if metrics["quantization"] is None else metrics["quantization"]["arithmetic"]
    rows = [
        (
            label_engine(entry["engine"], arithmetic),
            str(entry["batch_size"]),
            _milliseconds(entry["dense"]["latency_ms"]),
            _milliseconds(entry["compressed"]["latency_ms"]),
            f"{format_speedup(entry['speedup_over_best_dense'])} ({entry['best_dense_engine']})",
        )
        for entry in timing["latency"]
    ]
    header = ("engine", "batch", "dense, ms (p10 to p90)", "this model, ms", "over the fastest dense engine")
    yield from _table(header, rows)
    machine = _timed_on(metrics)
    yield f"Machine: {escape(machine.get('processor', 'not known'))}, {timing['threads']} threads,"
    yield from (f"{escape(machine.get('system', 'not known'))}.", "")


def _describe_making(metrics: Mapping[str, Any]) -> Iterator[str]:
    run, made = metrics["run"], metrics["provenance"]
    yield from ("## How it was made", "", "```sh", shlex.join(["python", *made["command"]]), "```", "")
    yield f"Strategy {run['strategy']}, seed {run['seed']}, commit {made.get('git_commit') or 'not known'},"
    yield from (f"{', '.join(f'{key} {value}' for key, value in _versions(made))}.", "")
    seconds, epochs = metrics["timing"]["stage_seconds"], run["epochs"]
    rows = [
        (
            stage,
            f"`{name}`",
            str(epochs.get(stage, "-")),
            percent(run["val_accuracy"].get(stage)),
            _seconds(seconds, stage),
        )
        for stage, name in run["stages"].items()
    ]
    yield from _table(("stage", "id", "epochs", "accuracy on held-out images", "seconds"), rows)


def _describe_limits(metrics: Mapping[str, Any]) -> Iterator[str]:
    run, quantization = metrics["run"], metrics["quantization"]
    yield from ("## Limits", "")
    yield "- Tested only on the test images above. Other cameras, other lighting and other sources were not tested."
    yield "- An image of none of the classes gets one of their names all the same."
    # In a record of an earlier version, only the layers show that the analysis was a full one.
    modes = metrics.get("failure_modes") or {}
    if not modes.get("robustness", modes.get("layers") is not None):
        yield "- Damaged images (noise, blur, contrast, JPEG) were not tested."
        yield "  `python -m compression analyze` tests them."
    yield f"- All numbers are of one seed ({run['seed']}). Another seed gives other numbers."
    yield "- Speed holds for the machine, the engines and the number of threads above, and for no other."
    for line in describe_left_out(metrics["timing"]["left_out"]):
        yield f"- The {escape(line)}."
    if quantization is not None:
        parity = quantization["parity"]
        yield f"- The accuracy is that of the integers executed by {parity['engine']}; it names the same class as the "
        yield f"  simulation for {100 * parity['agreement']:.2f} % of the test images. {_describe_others(parity)}"
        if (logits := describe_logit_error(parity)) is not None:
            cpu = parity.get("cpu") or {}
            yield f"  The relative error of its logits is {logits[0]} ({logits[1]}), measured on"
            yield f"  {escape(cpu.get('name') or cpu.get('architecture') or 'an unknown processor')}."
    yield ""


def _describe_others(parity: Mapping[str, Any]) -> str:
    if not parity.get("sparse"):
        return "Other engines were not compared."
    same = f"{100 * parity['sparse']['agreement']:.2f} %"
    return f"For the engine sparse it is {same}; others were not compared."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from to_table(header, rows, left=range(len(header)))
    yield ""


def _accuracy(side: Mapping[str, Any]) -> str:
    total = side["test_images"]
    low, high = wilson_interval(round(side["accuracy"] * total), total)
    return f"{percent(side['accuracy'])} ({100 * low:.2f} to {100 * high:.2f})"


def _balanced(side: Mapping[str, Any], analyzed: Mapping[str, Any] | None) -> str:
    """Return the mean accuracy of classes, with its interval if the run was analyzed."""
    recalls = [value for value in side["accuracy_per_class"].values() if value is not None]
    text = percent(sum(recalls) / len(recalls))
    if analyzed is None:
        return text
    found = analyzed["balanced_accuracy"]
    return f"{text} ({100 * found['low']:.2f} to {100 * found['high']:.2f})"


def _worst(side: Mapping[str, Any]) -> str:
    recalls = {name: value for name, value in side["accuracy_per_class"].items() if value is not None}
    name = min(recalls, key=lambda one: recalls[one])
    return f"{escape(name)}, {percent(recalls[name])}"


def _points(before: float | None, after: float) -> str:
    return "-" if before is None else f"{100 * (after - before):+.2f}"


def _milliseconds(latency: Mapping[str, float]) -> str:
    return f"{latency['median']:.3g} ({latency['p10']:.3g} to {latency['p90']:.3g})"


def _timed_on(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the machine of the measurement, which a reused stage may have made on another day."""
    made = metrics["provenance"]
    machine: Mapping[str, Any] = made["stages"].get("evaluate", made).get("machine") or {}
    return machine


def _versions(made: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    software = made.get("software") or {}
    yield from ((key, software[key]) for key in ("python", "torch", "onnxruntime") if key in software)


def _seconds(seconds: Mapping[str, float], stage: str) -> str:
    return f"{seconds[stage]:.1f}" if stage in seconds else "-"
