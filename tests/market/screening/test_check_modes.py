"""The switches of the checks, and how their findings fared with moderators."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.market.models import CharacterPublication, CheckMode, Severity
from studio.market.review import claims, decisions
from studio.market.review.rules import AT_ONCE, Reason
from studio.market.screening import check_modes, screening
from studio.market.screening.checks import ALL, CHECKS
from studio.market.screening.checks.base import Finding, about
from tests.factories.accounts import make_actor
from tests.factories.market import case_of, make_listing

HIT = Finding((about("data", "Bad.", Severity.WARNING),))
NOTE = Finding((about("data", "Well.", Severity.INFO),))


@pytest.fixture
def admin(session):
    return make_actor(session, RoleName.ADMIN)


class TestSwitch:
    def test_is_kept_and_audited_once(self, session, admin, now):
        for _ in range(2):
            assert (
                check_modes.switch(session, actor=admin, name="rating", mode=CheckMode.SHADOW, now=now)
                is CheckMode.SHADOW
            )
        session.flush()
        assert check_modes.modes(session)["rating"] is CheckMode.SHADOW
        assert check_modes.modes(session)["secrets"] is CheckMode.ACTIVE
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "screening_check.switch")).one()
        assert entry.after == {"check": "rating", "mode": "shadow"}

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF])
    def test_is_for_admins(self, session, now, role):
        with pytest.raises(ForbiddenError):
            check_modes.switch(session, actor=make_actor(session, role), name="rating", mode=CheckMode.OFF, now=now)

    def test_does_not_find_a_check_that_is_not(self, session, admin, now):
        with pytest.raises(NotFoundError):
            check_modes.switch(session, actor=admin, name="horoscope", mode=CheckMode.OFF, now=now)


class TestShadow:
    def test_is_not_told_in_what_the_job_brought(self, session, creator, now):
        case = case_of(session, make_listing(session, owner=creator, now=now))
        found = screening.keep(
            session, case_id=case.id, findings={CHECKS[0]: HIT, CHECKS[1]: NOTE}, now=now,
            modes={CHECKS[0].name: CheckMode.SHADOW},
        )  # fmt: skip
        assert (found["warning"], found["info"]) == (0, 1)


class TestListSwitches:
    def test_counts_hits_and_how_moderators_decided(self, session, creator, moderator, admin, now):
        check = CHECKS[0]

        def decided(finding, *, is_approved, version=check.version):
            case = case_of(session, make_listing(session, owner=creator, now=now))
            screening.keep(session, case_id=case.id, findings={check: finding}, now=now)
            claims.claim(session, actor=moderator, case_id=case.id, now=now)
            content_hash = session.get_one(CharacterPublication, case.publication_id).content_hash
            given = {"actor": moderator, "case_id": case.id, "content_hash": content_hash, "now": now}
            if is_approved:
                decisions.approve(session, **given, hold=AT_ONCE)
            else:
                decisions.reject(session, reasons=[Reason("spam", "", "")], **given, hold=AT_ONCE)

        decided(HIT, is_approved=False)
        decided(HIT, is_approved=False)
        decided(HIT, is_approved=True)
        decided(NOTE, is_approved=True)
        decided(Finding(), is_approved=False)
        listed = check_modes.list_switches(session, actor=admin, now=now)
        assert [one.name for one in listed] == [one.name for one in ALL]
        [record] = listed[0].records
        assert (record.version, record.looked, record.hits) == (check.version, 5, 3)
        assert (record.rejected_hits, record.approved_hits, record.rejected_others) == (2, 1, 1)
        assert record.precision == pytest.approx(2 / 3)

    def test_forgets_after_thirty_days(self, session, creator, admin, now):
        case = case_of(session, make_listing(session, owner=creator, now=now))
        screening.keep(session, case_id=case.id, findings={CHECKS[0]: HIT}, now=now)
        later = now + timedelta(days=31)
        assert check_modes.list_switches(session, actor=admin, now=later)[0].records == ()

    def test_is_not_for_creators(self, session, creator, now):
        with pytest.raises(ForbiddenError):
            check_modes.list_switches(session, actor=creator, now=now)
