"""The queue by due time, the next case for whoever asks, and the statements that both take."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.paging import BadCursorError
from studio.market.models import CaseState, LookReason, ReviewCase, Severity
from studio.market.review import claims, dossier, queue
from studio.market.review import rules as review_rules
from studio.market.review.queue import Show
from studio.market.screening import screening
from studio.market.screening.checks import CHECKS
from studio.market.screening.checks.base import Finding, about
from tests.factories.accounts import make_actor
from tests.factories.market import (
    case_of,
    make_card,
    make_claimed_case,
    make_listing,
    make_live_listing,
    make_waiting_case,
)

WEDNESDAY = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""The fixture `now` is a Sunday, of which all submissions are due at the same moment."""


def shown(session, actor, now, **options):
    return [row.case.id for row in queue.page(session, actor=actor, now=now, **options).rows]


class TestPage:
    def test_has_what_is_due_first_at_its_top(self, session, creator, moderator):
        late = make_waiting_case(session, owner=creator, now=WEDNESDAY)
        early = make_waiting_case(session, owner=creator, now=WEDNESDAY - timedelta(hours=3))
        assert shown(session, moderator, WEDNESDAY) == [early.id, late.id]

    def test_leaves_out_what_is_screened_or_closed(self, session, creator, moderator, now):
        make_listing(session, owner=creator, now=now)
        make_live_listing(session, owner=creator, moderator=moderator, now=now)
        assert shown(session, moderator, now) == []

    def test_is_paged_without_gap_or_repetition(self, session, creator, moderator, now):
        made = [make_waiting_case(session, owner=creator, now=now).id for _ in range(5)]
        seen: list[UUID] = []
        cursor = None
        while True:
            page = queue.page(session, actor=moderator, now=now, after=cursor, limit=2)
            seen += [row.case.id for row in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted(made), "what is due at the same moment comes in the order of its making"

    def test_refuses_a_made_up_cursor(self, session, moderator, now):
        with pytest.raises(BadCursorError):
            queue.page(session, actor=moderator, now=now, after="nonsense")

    def test_names_the_holder_until_the_claim_ends(self, session, creator, moderator, now):
        make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        assert queue.page(session, actor=moderator, now=now).rows[0].holder_name == moderator.name
        assert queue.page(session, actor=moderator, now=now + review_rules.CLAIM).rows[0].holder_name is None

    def test_marks_ones_own(self, session, now):
        both = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
        make_waiting_case(session, owner=both, now=now)
        assert queue.page(session, actor=both, now=now).rows[0].is_own
        assert queue.next_case(session, actor=both, now=now) is None

    def test_is_closed_to_creators(self, session, creator, now):
        with pytest.raises(ForbiddenError):
            queue.page(session, actor=creator, now=now)
        with pytest.raises(ForbiddenError):
            queue.next_case(session, actor=creator, now=now)

    def test_shows_parts_of_itself(self, session, creator, moderator, other_moderator):
        free = make_waiting_case(session, owner=creator, now=WEDNESDAY)
        mine = make_claimed_case(session, owner=creator, moderator=moderator, now=WEDNESDAY)
        theirs = make_claimed_case(session, owner=creator, moderator=other_moderator, now=WEDNESDAY)
        old = make_waiting_case(session, owner=creator, now=WEDNESDAY - timedelta(days=7))
        assert set(shown(session, moderator, WEDNESDAY)) == {free.id, mine.id, theirs.id, old.id}
        assert shown(session, moderator, WEDNESDAY, show=Show.FREE) == [old.id, free.id]
        assert shown(session, moderator, WEDNESDAY, show=Show.MINE) == [mine.id]
        assert shown(session, moderator, WEDNESDAY, show=Show.OVERDUE) == [old.id]

    def test_says_why_to_look(self, session, creator, other_creator, moderator, now):
        make_live_listing(session, owner=creator, moderator=moderator, now=now)
        known = make_card(session, owner=creator, now=now)
        make_live_listing(session, owner=creator, moderator=moderator, now=now, character=known)
        make_waiting_case(session, owner=creator, now=now, character=known, title="A new title")
        fresh = case_of(session, make_listing(session, owner=other_creator, now=now))
        found = {check: Finding() for check in CHECKS} | {CHECKS[0]: Finding((about("data", "Bad.", Severity.SEVERE),))}
        screening.keep(session, case_id=fresh.id, findings=found, now=now)
        changed, new = queue.page(session, actor=moderator, now=now).rows
        assert changed.reasons == (LookReason.CHANGED_AFTER_APPROVAL,)
        assert new.reasons == (LookReason.NEW_CREATOR, LookReason.SCREENING)
        assert new.case.risk_score > changed.case.risk_score


class TestNextCase:
    def test_is_what_is_due_first_and_free(self, session, creator, moderator, other_moderator):
        held = make_claimed_case(
            session, owner=creator, moderator=other_moderator, now=WEDNESDAY - timedelta(minutes=20)
        )
        free = make_waiting_case(session, owner=creator, now=WEDNESDAY)
        assert queue.next_case(session, actor=moderator, now=WEDNESDAY) == free.id
        assert queue.next_case(session, actor=moderator, now=WEDNESDAY + review_rules.CLAIM) == held.id
        assert queue.next_case(session, actor=moderator, now=WEDNESDAY + review_rules.CLAIM, but=held.id) == free.id

    def test_gives_each_of_those_who_press_at_once_a_case_of_their_own(self, committed_database):
        engine, now = committed_database.engine, utc_now()
        with session_scope(engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            moderators = [make_actor(session, RoleName.MODERATOR) for _ in range(4)]
            for _ in range(4):
                make_waiting_case(session, owner=owner, now=now)
        taken: list[UUID | None] = []
        together = threading.Barrier(4)

        def take(actor):
            with session_scope(engine) as session:
                together.wait(timeout=10)
                case_id = queue.next_case(session, actor=actor, now=now)
                if case_id is not None:
                    claims.claim(session, actor=actor, case_id=case_id, now=now)
                taken.append(case_id)

        threads = [threading.Thread(target=take, args=(one,)) for one in moderators]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert len(taken) == 4
        assert None not in taken
        assert len(set(taken)) == 4

    def test_is_found_by_the_index_whatever_waits(self, session, creator, moderator, now):
        case = make_waiting_case(session, owner=creator, now=now)
        table = ReviewCase.__table__
        columns = ", ".join(column.name for column in table.columns if column.name not in {"id", "due_at", "state"})
        session.execute(sa.text("DROP INDEX uq_review_cases_publication_id_open"))
        session.execute(
            sa.text(
                f"INSERT INTO review_cases (id, due_at, state, {columns}) SELECT uuidv7(), due_at + n * interval"
                f" '1 second', state, {columns} FROM review_cases, generate_series(1, 5000) AS n WHERE id = :id"
            ),
            {"id": case.id},
        )
        session.execute(sa.text("ANALYZE review_cases"))
        query = queue.free(actor=moderator, now=now).compile(
            session.get_bind(), compile_kwargs={"literal_binds": True, "render_postcompile": True}
        )
        plan = "\n".join(session.scalars(sa.text(f"EXPLAIN {query}")))
        assert "ix_review_cases_queue" in plan
        assert "Sort" not in plan


class TestDossier:
    def test_looks_ahead_without_claiming(self, session, creator, moderator):
        first = make_waiting_case(session, owner=creator, now=WEDNESDAY)
        second = make_waiting_case(session, owner=creator, now=WEDNESDAY + timedelta(minutes=1))
        read = dossier.load(session, actor=moderator, case_id=first.id, now=WEDNESDAY)
        assert read.next_id == second.id
        session.refresh(second)
        assert second.state is CaseState.WAITING

    def test_is_closed_to_creators(self, session, creator, now):
        case = make_waiting_case(session, owner=creator, now=now)
        with pytest.raises(NotFoundError):
            dossier.load(session, actor=creator, case_id=case.id, now=now)
