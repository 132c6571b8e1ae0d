"""Reasons that moderators can give: written, ordered, taken out of use, and kept where they were given."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.kit.errors import ForbiddenError, NotFoundError, StaleError
from studio.market.models import CharacterPublication, FieldComment, ReviewReason
from studio.market.review import decisions, queries, reasons
from studio.market.review.errors import ReasonGivenError, ReasonsInvalidError, ReasonWrongError
from studio.market.review.reasons import Wording
from studio.market.review.rules import Reason
from tests.factories.accounts import make_actor
from tests.factories.market import make_claimed_case, make_reason, make_sent_back

SHORT = Wording(title=" Too  short ", title_zh="太短", message="Say more.\n", message_zh="请多写。", field="scenario")


class TestWriting:
    def test_makes_a_reason_that_can_be_given_and_says_so_in_the_audit_log(self, session, moderator):
        made = reasons.create(session, actor=moderator, wording=SHORT)
        assert (made.code, made.title, made.message, made.field) == ("too_short", "Too short", "Say more.", "scenario")
        assert made in queries.list_reasons(session)
        again = reasons.create(session, actor=moderator, wording=SHORT)
        chinese = reasons.create(session, actor=moderator, wording=replace(SHORT, title="太短"))
        assert (again.code, chinese.code) == ("too_short_2", "reason")
        actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.resource_id == made.id)).all()
        assert actions == ["review_reason.create"]

    def test_names_every_wrong_field_at_once(self, session, moderator):
        wrong = Wording(
            title=" ", title_zh="x" * 101, message="", message_zh="x" * 1001, field="nothing", sort_order=None
        )
        with pytest.raises(ReasonWrongError) as told:
            reasons.create(session, actor=moderator, wording=wrong)
        assert set(told.value.fields) == {"title", "title_zh", "message", "message_zh", "field", "sort_order"}

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.STAFF])
    def test_is_for_moderators_and_admins(self, session, role):
        assert reasons.create(session, actor=make_actor(session, RoleName.ADMIN), wording=SHORT).is_active
        with pytest.raises(ForbiddenError):
            reasons.create(session, actor=make_actor(session, role), wording=SHORT)

    def test_on_an_old_reading_changes_nothing(self, session, moderator, now):
        made = make_reason(session)
        given = {"actor": moderator, "reason_id": made.id, "row_version": made.row_version, "now": now}
        changed = reasons.update(session, **given, wording=replace(SHORT, is_severe=True))
        assert (changed.title, changed.is_severe) == ("Too short", True)
        with pytest.raises(StaleError):
            reasons.update(session, **given, wording=SHORT)


class TestTakingOutOfUse:
    def test_keeps_it_from_being_given_and_earlier_decisions_as_they_are(self, session, creator, moderator, now):
        publication = make_sent_back(session, owner=creator, moderator=moderator, now=now)
        [given] = queries.list_decisions_on(session, actor=creator, publication_id=publication.id)
        reason = given.feedback[0].reason
        wording = Wording(reason.title, reason.title_zh, reason.message, reason.message_zh, is_active=False)
        reasons.update(session, actor=moderator, reason_id=reason.id, row_version=None, wording=wording, now=now)
        assert reason not in queries.list_reasons(session)
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        seen = session.get_one(CharacterPublication, case.publication_id).content_hash
        with pytest.raises(ReasonsInvalidError):
            decisions.reject(
                session, actor=moderator, case_id=case.id, content_hash=seen, reasons=[Reason(reason.code)], now=now
            )
        [kept] = queries.list_decisions_on(session, actor=creator, publication_id=publication.id)
        assert kept.feedback[0].reason.code == reason.code


class TestDeleting:
    def test_is_for_what_nobody_gave(self, session, creator, moderator, now):
        made = make_reason(session)
        reasons.delete(session, actor=moderator, reason_id=made.id, row_version=made.row_version)
        with pytest.raises(NotFoundError):
            reasons.delete(session, actor=moderator, reason_id=made.id, row_version=None)
        make_sent_back(session, owner=creator, moderator=moderator, now=now)
        given = session.scalars(sa.select(FieldComment.reason_id)).one()
        assert reasons.count_given(session, [given, made.id]) == {given: 1}
        with pytest.raises(ReasonGivenError):
            reasons.delete(session, actor=moderator, reason_id=given, row_version=None)
        # PostgreSQL keeps it, whoever asks.
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(sa.delete(ReviewReason).where(ReviewReason.id == given))
