"""Jobs by name."""

from datetime import date
from uuid import UUID, uuid4

import pytest

from jobs import registry
from jobs.registry import JobContext
from jobs.schedule import PERIODIC
from studio.work.rules import QUEUES


class TestJob:
    def test_refuses_a_second_function_for_a_name(self):
        def one(run: JobContext) -> None: ...

        def two(run: JobContext) -> None: ...

        registry.job("tests.registry.once")(one)
        registry.job("tests.registry.once")(one)
        with pytest.raises(ValueError, match="Two functions"):
            registry.job("tests.registry.once")(two)

    def test_refuses_content_as_an_argument(self):
        def reads(run: JobContext, *, text: bytes) -> None: ...

        with pytest.raises(TypeError, match="id or a small value"):
            registry.job("tests.registry.content")(reads)


@registry.job("tests.registry.arguments")
def handler(run: JobContext, *, one: UUID, day: date | None = None, n: int = 3) -> None: ...


class TestArguments:
    @pytest.fixture
    def entry(self):
        return registry.registered("tests.registry.arguments")

    def test_become_what_the_handler_expects(self, entry):
        one = uuid4()
        assert entry.arguments({"one": str(one), "day": "2026-11-22"}) == {"one": one, "day": date(2026, 11, 22)}
        assert entry.arguments({"one": str(one), "day": None}) == {"one": one, "day": None}

    @pytest.mark.parametrize("kept", [{}, {"one": str(uuid4()), "two": 1}])
    def test_must_be_those_that_it_takes(self, entry, kept):
        with pytest.raises(TypeError, match="other arguments"):
            entry.arguments(kept)


class TestLoad:
    def test_knows_a_queue_for_every_job(self):
        assert {entry.queue for entry in registry.load().values()} <= set(QUEUES)

    def test_knows_every_periodic_job_once(self):
        names = [periodic.name for periodic in PERIODIC]
        assert len(names) == len(set(names))
