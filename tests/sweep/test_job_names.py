"""Names of jobs whose identities begin with the same digits."""

import pytest

from compression.sweep.job_names import JobNames
from compression.sweep.jobs import Job

ONE, OTHER, THIRD = "abcdef" + "0" * 58, "abcdef" + "1" * 58, "abcdef" + "1" * 6 + "2" * 52


def test_the_later_of_two_jobs_with_one_digest_has_a_longer_one():
    names = JobNames([])
    assert names.give({"sparsity": 0.5}, ONE) == "s50-abcdef"
    assert names.give({"sparsity": 0.7}, OTHER) == "s70-abcdef111111"
    assert names.give({"sparsity": 0.9}, THIRD) == "s90-abcdef111111222222"
    assert names.give({"sparsity": 0.5}, ONE) == "s50-abcdef"


def test_a_known_job_keeps_its_name_beside_any_other():
    known = [Job("s70-abcdef111111", identity=OTHER), Job("s50-abcdef", identity=ONE)]
    names = JobNames(known)
    assert [names.find(one) for one in (ONE, OTHER, THIRD)] == ["s50-abcdef", "s70-abcdef111111", None]
    assert names.give({"seed": 1, "sparsity": 0.7}, OTHER) == "s70-abcdef111111"


@pytest.mark.parametrize(("name", "found"), [("s50-abcdef", True), ("s50-abcdee", False), ("s50-ab", False)])
def test_a_job_of_an_earlier_version_is_known_by_its_digest(name, found):
    assert JobNames([Job(name)]).find(ONE) == (name if found else None)
