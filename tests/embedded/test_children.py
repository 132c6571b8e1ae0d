"""What the launcher keeps running: when it is started again, and which worker listens to what."""

import pytest

from studio.embedded.children import Restarts
from studio.embedded.launcher import queues_of_workers
from studio.work.rules import QUEUES


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def restarts(clock):
    return Restarts(first=1.0, clock=clock)


def die_at_once(restarts, clock, times):
    """The pause before each start of something that dies as soon as it is there."""
    pauses = []
    for _ in range(times):
        restarts.began()
        pauses.append(restarts.schedule())
        assert restarts.schedule() is None
        assert not restarts.is_due
        clock.now += pauses[-1]
        assert restarts.is_due
    return pauses


class TestRestarts:
    def test_wait_longer_each_time_up_to_half_a_minute(self, restarts, clock):
        assert die_at_once(restarts, clock, 7) == [1, 2, 4, 8, 16, 30, 30]

    def test_begin_anew_after_it_had_run_for_a_while(self, restarts, clock):
        die_at_once(restarts, clock, 3)
        restarts.began()
        clock.now += 61
        assert restarts.schedule() == 1


class TestQueuesOfWorkers:
    def test_leave_one_to_the_short_jobs_where_there_are_several(self):
        assert queues_of_workers(4) == [("default",), ("default", "bulk", "background"), QUEUES, QUEUES]

    @pytest.mark.parametrize("count", range(2, 6))
    def test_leave_one_that_no_server_of_pictures_holds_up(self, count):
        workers = queues_of_workers(count)
        for queue in ("default", "bulk", "background"):
            assert any(queue in taken and "pictures" not in taken for taken in workers)
        assert any("pictures" in taken for taken in workers)

    def test_leave_nothing_out_where_there_is_one(self):
        assert queues_of_workers(1) == [QUEUES]
