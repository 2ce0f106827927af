"""A stage: one step of a run whose result is kept in the store."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from compression.run.context import Context
from compression.stage_store.store import StageRecord

# Stages that write files of another network than the result.
_BESIDE = ("dense_export", "pruned_export")


def always(_: object) -> bool:
    """Return True: for a stage that every run has, or that always leaves a network."""
    return True


def never(_: object) -> bool:
    """Return False: for a stage that measures or writes, and leaves no network."""
    return False


@dataclass
class Finished(Mapping[str, StageRecord]):
    """The stages that a run has obtained so far, by name."""

    records: dict[str, StageRecord] = field(default_factory=dict)
    _newest: str = ""

    def __getitem__(self, name: str) -> StageRecord:
        return self.records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def network(self) -> StageRecord:
        """The stage that left the newest network: the one that the next stage works on."""
        return self.records[self._newest]

    @property
    def lineage(self) -> list[StageRecord]:
        """The stages that the newest network was made by, in order: that network's own stage is the last."""
        if self.network is self.records["dense"]:
            return [self.network]
        names = list(self.records)
        until = names.index(self._newest) + 1
        return [self.records[name] for name in names[:until] if name in self.of_result]

    @property
    def of_result(self) -> dict[str, StageRecord]:
        """The stages that lead to the result, by name; not those that write files of another network."""
        return {name: record for name, record in self.records.items() if name not in _BESIDE}

    def add(self, stage: "Stage", record: StageRecord) -> None:
        """Note that ``stage`` is finished."""
        self.records[stage.name] = record
        if stage.leaves_network(record):
            self._newest = stage.name


@dataclass(frozen=True)
class Stage:
    """One entry of the pipeline.

    ``wanted`` says whether a run has this stage. ``obtain`` finds its result in the store or makes it, from the
    stages before it. ``leaves_network`` says whether later stages work on the network of this one.
    """

    name: str
    wanted: Callable[[Context], bool]
    obtain: Callable[[Context, Finished], StageRecord]
    leaves_network: Callable[[StageRecord], bool] = never
