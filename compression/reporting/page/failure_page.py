"""The page of a failure analysis: one model, or the change from one to another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compression.reporting.page.failure_document import ModelFailures, read_failure_document
from compression.reporting.page.failure_sections import list_headlines, make_failure_sections
from compression.reporting.page.page_blocks import Block, Code, Page, Section, Table, Text


def make_failure_page(document: Any, *, name: str, pictures: Path, remake: Sequence[str] = ()) -> Page:
    """Return the page of a ``failure_modes.json`` document; ``pictures`` is the folder of its pictures.

    ``remake`` are the commands that make the analysis again. Raises ValueError with a message of one line.
    """
    found = read_failure_document(document)
    *_, subject = found.models
    caption = f"On {found.models[subject].test_images:,} test images; 95 % intervals in brackets"
    making: list[Block] = []
    if remake:
        making.append(Code("Commands that make this analysis and this page again", "\n".join(remake)))
    if found.files:
        rows = [[model, one.path, one.arithmetic, one.engine] for model, one in found.files.items()]
        columns = ("model", "file", "arithmetic", "run by")
        making.append(Table("Models", columns, rows, words=columns[1:]))
    if found.data:
        making.append(Text(f"Images: {found.data}"))
    sections = make_failure_sections(found, pictures)
    if making:
        sections.append(Section("making", "How it was made", making))
    return Page(
        kicker="Failure analysis",
        title=found.files[subject].path if subject in found.files else name,
        verdict=[found.change.verdict] if found.change else [_describe(found.models[subject])],
        headline=Table(caption, ("figure", *found.models), list_headlines(found)),
        sections=sections,
    )


def _describe(model: ModelFailures) -> str:
    text = f"The model classifies {100 * (model.accuracy.value or 0.0):.2f} % of {model.test_images:,} images correctly"
    worst = model.worst_class
    if worst is None or worst.recall is None:
        return f"{text}."
    return f"{text}; the worst class is {worst.name} with {100 * worst.recall:.1f} %."
