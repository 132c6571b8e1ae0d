"""Circuit breakers whose knowledge all processes share."""

import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.kit import db
from studio.kit.clock import utc_now
from studio.providers import breaker
from studio.providers.breaker import MOST_FAILURES, REST, Breaker
from studio.providers.errors import ProviderBusyError, ProviderRefusedError, ProviderRestsError
from studio.work import circuits, claiming
from studio.work.circuits import SharedCircuits
from studio.work.errors import CancelRequestedError
from studio.work.models import Hold, ProviderCircuit
from studio.work.rules import Failure
from tests.factories.work import make_running_job


class Clock:
    """A time that tests move on."""

    def __init__(self) -> None:
        self.passed = 0.0

    def seconds(self) -> float:
        return 1000.0 + self.passed

    def now(self):
        return utc_now() + timedelta(seconds=self.passed)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shared(committed_database, clock):
    """The store that all processes share, on a database of this test's own."""
    store = SharedCircuits(lambda: db.session_scope(committed_database.engine), now=clock.now)
    breaker.share(store)
    yield store
    breaker.share(None)


@pytest.fixture
def processes(shared, clock):
    """Breakers of one provider, as several processes have them."""
    return [Breaker("speech:test", label="The speech server", clock=clock.seconds) for _ in range(3)]


def fail(one, times=MOST_FAILURES):
    for _ in range(times):
        with pytest.raises(ProviderBusyError), one.guarding():
            raise ProviderBusyError("It is down.")


def until(database):
    with db.session_scope(database.engine) as session:
        return session.scalar(sa.select(ProviderCircuit.open_until))


def eventually(look):
    """Whether it comes true before long."""
    for _ in range(200):
        if look():
            return True
        time.sleep(0.05)
    return False


class TestBreaker:
    def test_of_one_process_opens_for_all(self, processes):
        fail(processes[0])
        for one in processes:
            with pytest.raises(ProviderRestsError, match="The speech server failed several times"):
                one.enter()

    def test_counts_the_failures_of_all_processes(self, processes, clock):
        for one in (processes[0], processes[1]) * (MOST_FAILURES // 2):
            fail(one, times=1)
        clock.passed += 1.5
        with pytest.raises(ProviderRestsError) as caught:
            processes[2].enter()
        assert 0 < caught.value.retry_after <= REST

    def test_lets_one_of_all_processes_try_after_the_rest(self, processes, clock):
        fail(processes[0])
        clock.passed += REST + 2
        processes[1].enter()
        for one in (processes[0], processes[2]):
            with pytest.raises(ProviderRestsError):
                one.enter()

    def test_closes_for_all_when_that_one_succeeds(self, processes, clock):
        fail(processes[0])
        clock.passed += REST + 2
        with processes[1].guarding():
            pass
        clock.passed += 2
        for one in processes:
            one.enter()

    def test_lets_nobody_else_try_however_long_the_one_takes(self, shared, committed_database, monkeypatch):
        # Real time here: the trial tells by itself, twice a second, that it goes on.
        monkeypatch.setattr(breaker, "_TOLD_IN_A_REST", 60)
        fail(Breaker("images:test"))
        with db.session_scope(committed_database.engine) as session:
            circuits.end_rest(session, provider="images:test", now=utc_now())
        with Breaker("images:test").guarding():
            begun = until(committed_database)
            assert eventually(lambda: until(committed_database) > begun)
            with pytest.raises(ProviderRestsError):
                Breaker("images:test").enter()
        Breaker("images:test").enter()

    def test_leaves_the_trial_to_the_next_where_somebody_stopped_it(self, processes, clock):
        fail(processes[0])
        clock.passed += REST + 1
        with pytest.raises(CancelRequestedError), processes[0].guarding():
            raise CancelRequestedError
        clock.passed += 2
        with processes[1].guarding():
            pass
        clock.passed += 2
        processes[2].enter()

    def test_is_not_opened_by_refusals(self, processes):
        for _ in range(2 * MOST_FAILURES):
            with pytest.raises(ProviderRefusedError), processes[0].guarding():
                raise ProviderRefusedError("No such voice.")
        processes[0].enter()

    def test_of_one_provider_says_nothing_of_another(self, processes, clock):
        fail(processes[0])
        Breaker("images:test", clock=clock.seconds).enter()

    def test_learns_by_itself_while_the_database_is_away(self, clock):
        import sqlalchemy as sa

        engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
        breaker.share(SharedCircuits(lambda: db.session_scope(engine)))
        try:
            one = Breaker("speech:test", clock=clock.seconds)
            fail(one)
            with pytest.raises(ProviderRestsError):
                one.enter()
            clock.passed += REST + 1
            one.enter()
        finally:
            breaker.share(None)
            engine.dispose()


class TestTryOnce:
    def test_is_won_by_one_of_those_that_race(self, committed_database, now):
        with db.session_scope(committed_database.engine) as session:
            for _ in range(MOST_FAILURES):
                circuits.count_failure(session, provider="x", most=MOST_FAILURES, rest=REST, error="", now=now)
        won, barrier = [], threading.Barrier(6)

        def one():
            with Session(committed_database.engine) as session, db.transaction(session):
                barrier.wait()
                if circuits.try_once(session, provider="x", rest=REST, now=now + timedelta(seconds=REST + 1)):
                    won.append(1)

        threads = [threading.Thread(target=one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [1]


class TestWake:
    """A provider that answers again has what it put off go on, and staff can have it tried at once."""

    @pytest.fixture
    def put_off(self, session, now):
        """Makes jobs that the provider's failures put off for minutes, the first asked for the longest ago."""

        def make(count, provider="speech:test"):
            made = []
            for number in range(count):
                job, token = make_running_job(session, now=now + timedelta(seconds=number))
                failure = Failure("ProviderRestsError", "It rests.")
                claiming.fail(
                    session, job_id=job.id, token=token, failure=failure, is_final=False, chance=0.5, at_least=300,
                    is_outage=True, put_off_by=provider, now=now,
                )  # fmt: skip
                made.append(job)
            return made

        return make

    @pytest.fixture
    def resting(self, session, now):
        for _ in range(MOST_FAILURES):
            circuits.count_failure(session, provider="speech:test", most=MOST_FAILURES, rest=REST, error="", now=now)

    def due(self, session, jobs, now):
        session.expire_all()
        return [round((job.run_after - now).total_seconds(), 1) for job in jobs]

    def test_lets_the_oldest_alone_try_when_staff_ask_again(self, session, now, put_off, resting):
        jobs, others = put_off(3), put_off(1, "images:test")
        assert circuits.end_rest(session, provider="speech:test", now=now)
        first, *rest = self.due(session, jobs, now)
        assert first == 0
        assert min(rest + self.due(session, others, now)) >= 300
        # One request, of all processes, tries.
        assert circuits.try_once(session, provider="speech:test", rest=REST, now=now)
        assert not circuits.try_once(session, provider="speech:test", rest=REST, now=now)

    def test_follows_one_by_one_in_their_order_once_it_answers(self, session, now, put_off, resting):
        jobs = put_off(4)
        circuits.close(session, provider="speech:test", now=now)
        assert self.due(session, jobs, now) == [0, 0.2, 0.4, 0.6]
        assert [job.put_off_by for job in jobs] == [None] * 4
        # Each once: what failed by itself in between keeps its time.
        later = now + timedelta(seconds=1)
        assert circuits.wake(session, provider="speech:test", now=later) == 0

    def test_leaves_a_provider_alone_that_does_not_rest(self, session, now, put_off):
        jobs = put_off(1)
        assert not circuits.end_rest(session, provider="speech:test", now=now)
        assert self.due(session, jobs, now)[0] >= 300

    def test_lets_a_paused_job_wait_and_forgets_one_that_was_taken(self, session, now, put_off, resting):
        paused, taken = put_off(2)
        paused.held_for = Hold.PAUSE
        later = now + timedelta(minutes=20)
        assert claiming.claim(session, job_id=taken.id, worker="one", now=later).put_off_by is None
        circuits.close(session, provider="speech:test", now=later)
        assert paused.held_for is Hold.PAUSE
        assert claiming.claim(session, job_id=paused.id, worker="one", now=later) is None

    def test_is_told_by_the_error_which_provider_it_was(self, processes):
        fail(processes[0], times=MOST_FAILURES - 1)
        with pytest.raises(ProviderBusyError) as failed, processes[0].guarding():
            raise ProviderBusyError("It is down.")
        with pytest.raises(ProviderRestsError) as rests:
            processes[1].enter()
        assert failed.value.breaker == rests.value.breaker == failed.value.afresh().breaker == "speech:test"
