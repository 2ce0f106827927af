"""Names of jobs in the folder of a sweep: the same job keeps its name, and different jobs have different names."""

from collections.abc import Iterable, Mapping
from typing import Any

from compression.config.run_name import DIGEST_DIGITS
from compression.sweep.job_grid import name_job
from compression.sweep.jobs import Job


class JobNames:
    """The names of known jobs, and new names beside them.

    A name ends in the first six digits of its job's identity. Among 1,000 jobs, two share them in 3 % of cases. The
    later one then has a longer digest.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        jobs = list(jobs)
        self._names = {job.identity: job.name for job in jobs if job.identity}
        # A record of an earlier version is known by its digest alone.
        self._named = {job.digest: job.name for job in jobs if not job.identity and len(job.digest) >= DIGEST_DIGITS}
        self._digests = {job.digest for job in jobs}

    def find(self, identity: str) -> str | None:
        """Return the name of the known job with this ``identity``, or None."""
        if identity in self._names:
            return self._names[identity]
        lengths = {len(digest) for digest in self._named}
        return next((self._named[identity[:some]] for some in lengths if identity[:some] in self._named), None)

    def give(self, place: Mapping[str, Any], identity: str) -> str:
        """Return the name of the known job with this ``identity``, or a new one. ``place`` holds its axis values."""
        name = self.find(identity)
        if name is None:
            lengths = range(DIGEST_DIGITS, len(identity) + 1, DIGEST_DIGITS)
            digest = next(identity[:some] for some in lengths if identity[:some] not in self._digests)
            self._digests.add(digest)
            name = name_job(place, digest)
        self._names[identity] = name
        return name
