"""Corrections: a new posting puts right what a sale brought, once, with a reason that its creator reads."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.market.models import CreatorEarnings, LedgerTransaction, PostingKind
from studio.market.money import corrections, invariants, ledger, statements
from studio.market.money.corrections import CorrectionInvalidError, OwnCorrectionError
from studio.market.money.errors import OtherPostingError
from studio.market.money.statements import Period
from tests.factories.accounts import make_actor
from tests.factories.money import buy, make_offer
from tests.threads import at_once


@pytest.fixture
def sale(session, creator, other_creator, now):
    return buy(session, buyer=other_creator, offer=make_offer(session, owner=creator, now=now), now=now)


def correct(session, actor, sale, now, **values):
    given = {"key": "1", "amount_minor": -75, "reason": "The fee was counted twice."}
    return corrections.make(session, actor=actor, purchase_id=sale.id, now=now, **{**given, **values})


class TestMake:
    def test_moves_it_between_the_creator_and_the_platform_once(self, session, creator, staff, sale, now):
        made = correct(session, staff, sale, now)
        assert correct(session, staff, sale, now) == made
        assert ledger.balances_of(session, creator_id=creator.user_id)["USD"].available_minor == -75
        assert sum(line.balance_minor for line in ledger.trial_balance(session)) == 0
        posting = session.get_one(LedgerTransaction, made)
        assert (posting.kind, posting.purchase_id, posting.note) == (
            PostingKind.CORRECTION, sale.id, "The fee was counted twice.",
        )  # fmt: skip
        entries = sa.select(sa.func.count()).where(AuditEntry.action == "purchase.correct")
        assert session.scalar(entries) == 1
        assert [one.amount_minor for one in corrections.newest(session, creator_id=creator.user_id, limit=5)] == [-75]
        assert invariants.check(session, now=now).finding_count == 0
        with pytest.raises(OtherPostingError):
            correct(session, staff, sale, now, amount_minor=75)

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"amount_minor": 0}, "amount"),
            ({"amount_minor": 501}, "amount"),
            ({"amount_minor": -501}, "amount"),
            ({"reason": " \n "}, "reason"),
            ({"reason": "x" * 301}, "reason"),
        ],
    )
    def test_refuses_what_cannot_be(self, session, staff, sale, now, values, field):
        with pytest.raises(CorrectionInvalidError) as refusal:
            correct(session, staff, sale, now, **values)
        assert list(refusal.value.fields) == [field]

    def test_comes_to_no_more_than_the_price_with_all_others(self, session, creator, staff, sale, now):
        made = correct(session, staff, sale, now, key="1", amount_minor=500)
        assert correct(session, staff, sale, now, key="1", amount_minor=500) == made
        with pytest.raises(CorrectionInvalidError, match="posted before"):
            correct(session, staff, sale, now, key="2", amount_minor=1)
        for key in ("3", "4"):
            correct(session, staff, sale, now, key=key, amount_minor=-500)
        with pytest.raises(CorrectionInvalidError, match="posted before"):
            correct(session, staff, sale, now, key="5", amount_minor=-1)
        assert ledger.balances_of(session, creator_id=creator.user_id)["USD"].available_minor == -500

    def test_of_many_at_once_keeps_to_the_price(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            creator, buyer, staff = (
                make_actor(session, role) for role in (RoleName.CREATOR, RoleName.CREATOR, RoleName.STAFF)
            )
            sale = buy(session, buyer=buyer, offer=make_offer(session, owner=creator, now=now), now=now)
        at_once(
            committed_database.engine,
            *(lambda s, key=key: correct(s, staff, sale, now, key=key, amount_minor=300) for key in "1123"),
        )
        with session_scope(committed_database.engine) as session:
            assert ledger.balances_of(session, creator_id=creator.user_id)["USD"].available_minor == 300

    def test_is_for_staff_and_not_for_a_sale_of_ones_own(self, session, creator, other_creator, sale, now):
        with pytest.raises(ForbiddenError):
            correct(session, creator, sale, now)
        both = make_actor(session, RoleName.CREATOR, RoleName.STAFF)
        own = buy(session, buyer=other_creator, offer=make_offer(session, owner=both, now=now), now=now)
        with pytest.raises(OwnCorrectionError):
            correct(session, both, own, now)
        with pytest.raises(NotFoundError):
            corrections.make(
                session, actor=both, purchase_id=own.character_id, key="1", amount_minor=1, reason="x", now=now
            )

    def test_of_what_was_free_has_nothing_to_correct(self, session, creator, other_creator, staff, now):
        offer = make_offer(session, owner=creator, now=now, price=0)
        with pytest.raises(CorrectionInvalidError, match="No money moved"):
            correct(session, staff, buy(session, buyer=other_creator, offer=offer, now=now), now, amount_minor=1)

    def test_counts_in_the_month_in_which_it_is_made(self, session, creator, other_creator, staff):
        sold, made = datetime(2026, 8, 5, tzinfo=UTC), datetime(2026, 9, 2, tzinfo=UTC)
        sale = buy(session, buyer=other_creator, offer=make_offer(session, owner=creator, now=sold), now=sold)
        correct(session, staff, sale, made, amount_minor=10)
        for day, after in ((sold, datetime(2026, 9, 1, 3, tzinfo=UTC)), (made, datetime(2026, 10, 1, 3, tzinfo=UTC))):
            statements.seal(session, period=Period.of(day.date()), now=after)
            statements.close(session, period=Period.of(day.date()), now=after)
        found = session.scalars(sa.select(CreatorEarnings).order_by(CreatorEarnings.period_start)).all()
        assert [(one.period_start.month, one.net_minor, one.gross_minor) for one in found] == [
            (8, 425, 500),
            (9, 10, 10),
        ]
