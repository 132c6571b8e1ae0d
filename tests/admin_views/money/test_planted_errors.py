"""The hourly checks: whatever is wrong with money in the database, before or after a month is closed, staff read it on their page."""

from datetime import UTC, datetime, timedelta

import pytest

from admin_views.money.labels import CHECK_LABELS
from studio.accounts.permissions import RoleName
from studio.market.models import MoneyCheck
from studio.market.money import invariants, ledger, payouts, purchases, statements
from studio.market.money.statements import Period
from studio.market.review.rules import AT_ONCE
from studio.providers.payments import EventKind
from tests.admin_views.money.conftest import text
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, buy, make_offer, tell
from tests.market.money.test_payouts import aim
from tests.market.money.test_statements import tamper

THEN = datetime(2026, 9, 2, 9, tzinfo=UTC)
AFTER = datetime(2026, 10, 1, 3, tzinfo=UTC)
SALE = "A paid purchase is not in the ledger with its price and fee"
REFUND = "A refund is not in the ledger with the amounts of its sale"
RELEASE = "What left its hold is not in the ledger with what its creator earned"
DISPUTE = "A dispute is not in the ledger as the purchase stands"
STATEMENT = "A closed statement is not what the ledger says"
BALANCE = "The balance of an account is not what its entries come to"
PAYOUT = "A payout is not in the ledger as it stands"
# Entries of one posting, past every rule.
TWO_ENTRIES = (
    "UPDATE ledger_entries e SET amount_minor = amount_minor + CASE a.kind WHEN '{gains}' THEN 1 ELSE -1 END "
    "FROM ledger_accounts a, ledger_transactions t "
    "WHERE a.id = e.account_id AND t.id = e.transaction_id AND t.kind = '{kind}' AND a.kind IN ('{gains}', '{gives}')"
)
OF_A_RELEASED_SALE = "id = (SELECT id FROM transactions WHERE status = 'paid' AND released_at IS NOT NULL LIMIT 1)"


def two(kind, gains, gives):
    return TWO_ENTRIES.format(kind=kind, gains=gains, gives=gives)


@pytest.fixture
def trade(session, creator, staff):
    """A month with sales that are released, refunded, disputed, lost and won, and with a payout."""
    owner, later = creator.actor, THEN + timedelta(days=9)
    offer = make_offer(session, owner=owner, now=THEN, price=4000)
    sold = [buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=THEN) for _ in range(6)]
    purchases.refunded(session, sold[0], now=THEN)
    for one, ends in ((sold[1], None), (sold[2], EventKind.DISPUTE_LOST), (sold[3], EventKind.DISPUTE_WON)):
        tell(session, one, EventKind.DISPUTED, now=THEN)
        if ends is not None:
            tell(session, one, ends, now=THEN)
    purchases.release_due(session, now=later)
    aim(session, owner)
    [payout] = payouts.make_batch(
        session, actor=staff.actor, batch_key="1", provider="local", policy=POLICY, now=later, grace=AT_ONCE
    )
    payouts.begin(session, payout_id=payout.id, provider="local", now=later)
    payouts.settle(session, payout_id=payout.id, reference="r", now=later)
    ledger.bring_forward(session, now=AFTER)


def close_it(session):
    period = Period.of(THEN.date())
    statements.seal(session, period=period, now=AFTER)
    statements.close(session, period=period, now=AFTER)


BEFORE_CLOSING = [
    ("UPDATE ledger_balances SET credit_minor = credit_minor + 1", BALANCE),
    (f"UPDATE transactions SET status = 'lost', disputed_at = now() WHERE {OF_A_RELEASED_SALE}", DISPUTE),
    ("UPDATE transactions SET status = 'paid' WHERE status = 'disputed'", DISPUTE),
    ("UPDATE transactions SET status = 'paid' WHERE status = 'lost'", DISPUTE),
    ("UPDATE transactions SET dispute_count = 0", DISPUTE),
    (two("dispute", "creator_pending", "provider"), DISPUTE),
    (f"UPDATE transactions SET fee_minor = fee_minor + 1 WHERE {OF_A_RELEASED_SALE}", SALE),
    (two("sale", "creator_pending", "platform_revenue"), SALE),
    (f"UPDATE transactions SET released_at = NULL WHERE {OF_A_RELEASED_SALE}", RELEASE),
    (two("release", "creator_available", "creator_pending"), RELEASE),
    (two("refund", "creator_pending", "provider"), REFUND),
    (two("refund", "creator_pending", "platform_revenue"), REFUND),
    ("UPDATE transactions SET status = 'paid', refunded_at = NULL WHERE status = 'refunded'", REFUND),
    ("UPDATE payouts SET status = 'failed', paid_at = NULL, ended_at = now()", PAYOUT),
]
AFTER_CLOSING = [
    ("UPDATE creator_earnings SET gross_minor = gross_minor + 1, fee_minor = fee_minor + 1", STATEMENT),
    ("UPDATE creator_earnings SET line_count = line_count + 1", STATEMENT),
    ("DELETE FROM creator_earnings", STATEMENT),
    ("DELETE FROM creator_earnings", "A closed month has more or fewer statements than when it was closed"),
    ("UPDATE ledger_transactions SET occurred_at = occurred_at + interval '1 month'", STATEMENT),
]


def found_after(session, planted):
    """What the checks find of one error, which is gone afterwards."""
    nested = session.begin_nested()
    tamper(session, planted)
    found = invariants.check(session, now=AFTER).findings
    nested.rollback()
    return found


def test_planted_errors_are_each_found_and_read_on_staffs_page(session, client_of, staff, trade):
    findings, missed = [], []
    for planting in (BEFORE_CLOSING, AFTER_CLOSING):
        if planting is AFTER_CLOSING:
            close_it(session)
        assert invariants.check(session, now=AFTER).findings == []
        for planted, words in planting:
            found = found_after(session, planted)
            findings += found
            if words not in {str(CHECK_LABELS[one["check"]]) for one in found}:
                missed.append(planted)
    assert missed == []
    # The newest of each kind, as one check would have found them all.
    each = list({one["check"]: one for one in findings}.values())
    session.add(
        MoneyCheck(checked_at=AFTER + timedelta(days=90), transaction_count=1, finding_count=len(each), findings=each)
    )
    session.flush()
    page = text(client_of(staff).get("/money/"))
    for one in each:
        said = page.split(f"{CHECK_LABELS[one['check']]}: ")[1].split("</li>")[0]
        assert f"<code>{one['about']}</code>" in said
        # A sale or a payout leads to its page.
        leads = "not_in_ledger" in one["check"]
        assert (f"/{one['about']}" in said) == leads
