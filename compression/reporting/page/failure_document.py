"""The parts of ``failure_modes.json`` that a page shows."""

from typing import Any

from msgspec import Struct

from compression.core.json_record import Finite, NonNegative, Whole, check_version, convert_record

# The newest record that this version reads.
NEWEST = 1


class Interval(Struct, frozen=True):
    """A figure with its 95 % interval; None where it is not defined."""

    value: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None


class NamedClass(Struct, frozen=True):
    """A class with its recall, the fraction of its images that is classified correctly, and the 95 % interval."""

    name: str
    recall: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None
    images: Whole = 0
    precision: Finite | None = None
    f1: Finite | None = None


class Confusion(Struct, frozen=True):
    """Images of class ``true`` that are classified as ``predicted``; ``share`` is their fraction of the class."""

    true: str
    predicted: str
    count: Whole = 0
    share: Finite | None = None


class Confidence(Struct, frozen=True, rename={"errors_above": "errors_above_0.9"}):
    """Mean confidence of right and wrong predictions, and calibration errors, as trained and with a temperature."""

    right: NonNegative | None = None
    wrong: NonNegative | None = None
    errors: Whole | None = None
    errors_above: Whole | None = None
    ece: NonNegative | None = None
    ece_scaled: NonNegative | None = None
    temperature: NonNegative | None = None


class Groups(Struct, frozen=True):
    """Fractions of the errors within a group of classes, between two groups, and outside of all groups."""

    within: Finite
    between: Finite
    outside: Finite


class ModelFailures(Struct, frozen=True):
    """The failure modes of one model."""

    test_images: Whole
    accuracy: Interval
    balanced_accuracy: Interval = Interval()
    macro_f1: Finite | None = None
    best_class: NamedClass | None = None
    worst_class: NamedClass | None = None
    classes: list[NamedClass] = []
    top_confusions: list[Confusion] = []
    groups: Groups | None = None
    confidence: Confidence = Confidence()


class ClassChange(Struct, frozen=True):
    """The change of one class from the dense to the compressed model, as a fraction of its images."""

    name: str
    change: Finite
    low: Finite | None = None
    high: Finite | None = None
    images: Whole = 0
    p_value: Finite | None = None
    p_corrected: Finite | None = None
    worsened: Whole = 0
    improved: Whole = 0


class ChangedConfusion(Struct, frozen=True):
    """A confusion with its number of images in the dense and in the compressed model."""

    true: str
    predicted: str
    dense: Whole
    compressed: Whole


class Change(Struct, frozen=True):
    """The change from the dense to the compressed model."""

    verdict: str
    accuracy: Interval = Interval()
    p_value: Finite | None = None
    worsened: Whole = 0
    improved: Whole = 0
    classes: list[ClassChange] = []
    confusions: list[ChangedConfusion] = []


class LayerError(Struct, frozen=True):
    """The output error of a layer as a signal-to-noise ratio in dB; None for a layer without error."""

    name: str
    snr_db: Finite | None = None


class AnalyzedFile(Struct, frozen=True):
    """The file of a model, its arithmetic, and the engine that ran it."""

    path: str
    arithmetic: str = ""
    engine: str = ""


class FailureDocument(Struct, frozen=True):
    """A ``failure_modes.json``. The last of ``models`` is the model in question.

    ``data`` and ``files``, by model, are on record only if the command ``analyze`` made the document.
    """

    models: dict[str, ModelFailures]
    data: str = ""
    files: dict[str, AnalyzedFile] = {}
    class_names: list[str] = []
    change: Change | None = None
    layers: list[LayerError] | None = None
    robustness: dict[str, dict[str, dict[str, Finite]]] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError without a model."""
        if not self.models:
            raise ValueError("models: must hold a model")


def read_failure_document(document: Any) -> FailureDocument:
    """Return the parts of a ``failure_modes.json`` document. Raises ValueError with a message of one line."""
    check_version(document, newest=NEWEST)
    return convert_record(document, FailureDocument)
