"""A bulk import whose worker is killed in the middle: nothing is lost, nothing is made twice."""

import signal
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobs import registry
from jobs.pulse import Pulse
from jobs.runtime import Runtime
from studio.accounts.permissions import RoleName
from studio.authoring import card_batches
from studio.authoring.models import BatchState, CardBatch, Character, ItemState, OnDuplicate
from studio.kit import db
from studio.kit.clock import utc_now
from studio.work import sweeping
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.authoring import json_card
from tests.jobs import stage

pytestmark = pytest.mark.slow

COUNT = 120


def test_goes_on_where_the_killed_worker_stood(house):
    with db.session_scope(house.engine) as session:
        actor = make_actor(session, RoleName.CREATOR)
    with db.session_scope(house.engine) as session:
        batch = card_batches.open_batch(session, actor=actor, on_duplicate=OnDuplicate.IMPORT, now=utc_now())
        given = [(f"{n}.json", json_card(name=f"N{n}", description="A long story. " * 800)) for n in range(COUNT)]
        card_batches.receive(session, actor=actor, storage=house.resources.storage, batch_id=batch.id, given=given)
        card_batches.start(session, actor=actor, batch_id=batch.id, now=utc_now())

    def made() -> int:
        with house.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(Character)) or 0

    def state() -> BatchState:
        with Session(house.engine) as session:
            return session.get_one(CardBatch, batch.id).state

    with stage.process("worker", house.settings) as first:
        house.wait_for(lambda: made() > 0, seconds=180)
        first.send_signal(signal.SIGKILL)
        first.wait()
    with Session(house.engine) as session:
        job_id = session.get_one(CardBatch, batch.id).job_id

    def is_taken_back() -> bool:
        # As long as PostgreSQL has not noticed that the process is gone, its row may be locked still.
        with db.session_scope(house.engine) as session:
            sweeping.take_back_lost(session, lease=timedelta(0), now=utc_now())
            return session.get_one(JobRun, job_id, populate_existing=True).state is not JobState.RUNNING

    house.wait_for(is_taken_back)
    stood = made()
    second = Runtime(house.resources, Pulse(house.resources, name="second", kind="worker"), registry.load())
    if stood < COUNT or state() is not BatchState.FINISHED:
        assert second.perform(job_id)
    assert state() is BatchState.FINISHED
    assert 0 < stood <= COUNT
    with house.engine.connect() as connection:
        names = connection.scalars(sa.select(Character.name)).all()
        states = connection.execute(
            sa.text("SELECT state, count(*), count(character_id) FROM card_batch_items GROUP BY state")
        ).all()
    assert sorted(names) == sorted(f"N{n}" for n in range(COUNT))
    assert [tuple(row) for row in states] == [(ItemState.MADE.value, COUNT, COUNT)]
