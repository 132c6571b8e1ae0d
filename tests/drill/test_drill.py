"""The fault drill in short: what `make drill` plays with ten thousand jobs, with some hundred and shorter leases."""

import pytest

from tests.drill.house import opened
from tests.drill.play import Plan, play
from tests.drill.programs import Ours

pytestmark = pytest.mark.slow

PLAN = Plan(jobs=300, kills=3, workers=2, patience=60.0, disk_is_full_for=1.5)


def test_nothing_is_lost_or_done_twice_while_everything_fails(tmp_path, capsys):
    with opened(tmp_path, durable=False, job_lease=3.0, job_sweep=0.5) as house:
        report = play(Ours(house), house, PLAN, say=lambda _text: None)
        states = house.ask("SELECT state, count(*) FROM job_runs WHERE name = 'tests.drill' GROUP BY state")
    found = "\n".join(report.lines())
    assert states == [("succeeded", PLAN.jobs)], found
    assert (report.lost, report.twice, report.torn, report.missing_files) == (0, 0, 0, 0), found
    # Only whoever was killed in the middle of it left a file on its way, or paid without knowing.
    assert report.is_perfect, found
    # A kill struck a job in hand, and whatever one struck was done after all.
    assert report.hits >= 1, found
    assert len(report.recoveries["kill -9 of a worker"]) == report.hits, found
    assert set(report.recoveries) >= {
        "the loss of Valkey",
        "a fast restart of PostgreSQL",
        "an immediate restart of PostgreSQL",
        "a full disk",
    }, found
