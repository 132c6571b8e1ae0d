"""Buying: terms, keys, exclusives, and what PostgreSQL refuses of a purchase whoever asks."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring.models import Character, CharacterStatus
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.money import Money
from studio.market.catalogue import listings
from studio.market.catalogue.errors import ListingInvalidError, SoldExclusivelyError
from studio.market.models import (
    AccountKind,
    CharacterPublication,
    EventOutcome,
    LedgerTransaction,
    LicenseType,
    PostingKind,
    PublicationStatus,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import earnings, invariants, ledger, payments, purchases
from studio.market.money import queries as money_queries
from studio.market.money.bookkeeping import Account
from studio.market.money.errors import (
    AlreadyBoughtError,
    CheckoutOverError,
    NotForSaleError,
    NotRefundableError,
    OwnPurchaseError,
    OwnRefundError,
    ReservedError,
)
from studio.market.money.queries import Taken
from studio.providers.payments import Checkout, EventKind
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.market import make_listing
from tests.factories.money import POLICY, PROVIDER, begin, buy, make_offer, tell
from tests.threads import at_once


@pytest.fixture
def buyer(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def other_buyer(session):
    return make_actor(session, RoleName.MODERATOR)


@pytest.fixture
def offer(session, creator, now):
    return make_offer(session, owner=creator, now=now)


def held_by(session, creator, kind=AccountKind.CREATOR_PENDING, currency="USD"):
    return ledger.balance(session, Account(kind, currency, creator.user_id))


class TestBegin:
    def test_keeps_the_terms_of_the_moment(self, session, buyer, creator, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        assert (purchase.status, purchase.price_minor, purchase.fee_minor) == (PurchaseStatus.PENDING, 500, 75)
        assert (purchase.creator_id, purchase.version_number) == (creator.user_id, offer.version_number)

    def test_with_the_same_key_is_the_same_purchase(self, session, buyer, offer, now):
        first = begin(session, buyer=buyer, offer=offer, now=now, idempotency_key="k")
        assert begin(session, buyer=buyer, offer=offer, now=now, idempotency_key="k").id == first.id

    def test_again_while_it_waits_for_money_is_the_same_purchase(self, session, buyer, offer, now):
        first = begin(session, buyer=buyer, offer=offer, now=now)
        assert begin(session, buyer=buyer, offer=offer, now=now).id == first.id

    def test_after_the_time_to_pay_is_over_is_a_new_one(self, session, buyer, offer, now):
        first = begin(session, buyer=buyer, offer=offer, now=now)
        second = begin(session, buyer=buyer, offer=offer, now=now + timedelta(hours=1))
        assert second.id != first.id
        assert first.status is PurchaseStatus.CANCELLED

    def test_twice_is_refused(self, session, buyer, offer, now):
        buy(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(AlreadyBoughtError):
            begin(session, buyer=buyer, offer=offer, now=now)

    def test_ones_own_is_refused(self, session, creator, offer, now):
        with pytest.raises(OwnPurchaseError):
            begin(session, buyer=creator, offer=offer, now=now)

    def test_needs_somebody_who_may_enter(self, session, offer, now):
        with pytest.raises(ForbiddenError):
            begin(session, buyer=make_actor(session), offer=offer, now=now)

    def test_what_is_off_the_market_is_not_found(self, session, buyer, creator, offer, now):
        listings.unlist(session, actor=creator, publication_id=offer.id, now=now)
        with pytest.raises(NotFoundError):
            begin(session, buyer=buyer, offer=offer, now=now)

    def test_what_is_archived_is_not_for_sale(self, session, buyer, creator, offer, now):
        session.execute(
            sa.update(Character).where(Character.id == offer.character_id).values(status=CharacterStatus.ARCHIVED)
        )
        with pytest.raises(NotForSaleError):
            begin(session, buyer=buyer, offer=offer, now=now)

    def test_of_what_is_free_is_through_at_once_and_moves_no_money(self, session, buyer, creator, now):
        purchase = begin(session, buyer=buyer, offer=make_offer(session, owner=creator, now=now, price=0), now=now)
        assert purchase.status is PurchaseStatus.PAID
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 0

    def test_writes_who_bought_what(self, session, buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "purchase.begin")).one()
        assert (entry.actor_id, entry.resource_id) == (buyer.user_id, purchase.id)


class TestCheckout:
    def test_asks_the_provider_once(self, session, buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        asked = []

        def open_(one):
            asked.append(one.id)
            return Checkout("ref", "https://pay.example/1")

        for _ in range(2):
            url = purchases.open_checkout(
                session, actor=buyer, purchase_id=purchase.id, provider="local", open_=open_, now=now
            )
            assert url == "https://pay.example/1"
        assert asked == [purchase.id]

    def test_is_over_after_its_time(self, session, buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(CheckoutOverError):
            purchases.open_checkout(
                session,
                actor=buyer,
                purchase_id=purchase.id,
                provider="local",
                open_=None,
                now=now + timedelta(hours=1),
            )

    def test_is_over_when_the_studio_uses_another_provider(self, session, buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(CheckoutOverError):
            purchases.open_checkout(
                session, actor=buyer, purchase_id=purchase.id, provider="stripe", open_=None, now=now
            )
        assert begin(session, buyer=buyer, offer=offer, now=now, provider="stripe").id != purchase.id

    def test_of_somebody_else_is_not_found(self, session, buyer, other_buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(NotFoundError):
            purchases.open_checkout(
                session, actor=other_buyer, purchase_id=purchase.id, provider="local", open_=None, now=now
            )


class TestGivingUp:
    def test_frees_what_was_kept(self, session, buyer, other_buyer, creator, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        purchases.give_up(session, actor=buyer, purchase_id=purchase.id, now=now)
        assert purchase.status is PurchaseStatus.CANCELLED
        assert begin(session, buyer=other_buyer, offer=offer, now=now).status is PurchaseStatus.PENDING

    def test_of_what_is_paid_changes_nothing(self, session, buyer, offer, now):
        purchase = buy(session, buyer=buyer, offer=offer, now=now)
        assert purchases.give_up(session, actor=buyer, purchase_id=purchase.id, now=now).status is PurchaseStatus.PAID

    def test_sends_a_payment_back_that_still_comes(self, session, buyer, other_buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        purchases.give_up(session, actor=buyer, purchase_id=purchase.id, now=now)
        later = now + timedelta(seconds=20)
        assert tell(session, purchase, EventKind.PAID, now=later) is EventOutcome.PROBLEM
        assert (purchase.status, purchase.was_paid_too_late) == (PurchaseStatus.CANCELLED, True)
        assert len(money_queries.list_questions(session)) == 1
        back = later + timedelta(minutes=1)
        purchases.refunded(session, purchase, now=back)
        assert (purchase.status, purchase.paid_at, purchase.refunded_at) == (PurchaseStatus.REFUNDED, later, back)
        assert purchase.was_paid_too_late
        kinds = session.scalars(sa.select(LedgerTransaction.kind).where(LedgerTransaction.purchase_id == purchase.id))
        assert set(kinds) == {PostingKind.SALE, PostingKind.REFUND}
        assert not any(line.balance_minor for line in ledger.trial_balance(session))
        assert money_queries.list_questions(session) == []
        assert invariants.check(session, now=back).findings == []

    def test_leaves_a_payment_of_another_amount_in_question_after_the_refund(self, session, buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        body, signature = PROVIDER.tell(
            EventKind.PAID, purchase_id=purchase.id, amount_minor=1, currency="USD", now=now, times=9
        )
        payments.receive(session, provider=PROVIDER, body=body, signature=signature, policy=POLICY, now=now)
        tell(session, purchase, EventKind.PAID, now=now)
        purchases.refunded(session, purchase, now=now)
        assert [one.facts["amount_minor"] for one in money_queries.list_questions(session)] == [1]

    def test_happens_by_itself_after_half_an_hour(self, session, buyer, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        assert purchases.expire(session, now=now + timedelta(minutes=29)) == 0
        assert purchases.expire(session, now=now + timedelta(minutes=32)) == 1
        assert purchase.status is PurchaseStatus.CANCELLED


class TestExclusive:
    @pytest.fixture
    def offer(self, session, creator, now):
        return make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)

    def test_is_kept_for_who_is_paying(self, session, buyer, other_buyer, offer, now):
        begin(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(ReservedError):
            begin(session, buyer=other_buyer, offer=offer, now=now)

    def test_says_whether_it_is_being_paid_for_or_gone(self, session, buyer, other_buyer, offer, now):
        def taken(who=other_buyer, at=now):
            return money_queries.taken(session, offer, buyer_id=who.user_id, now=at)

        assert taken() is None
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        assert (taken(), taken(who=buyer), taken(at=now + timedelta(hours=1))) == (Taken.RESERVED, None, None)
        tell(session, purchase, EventKind.PAID, now=now)
        assert taken() is Taken.SOLD

    def test_leaves_the_market_in_the_transaction_that_sells_it(self, session, buyer, other_buyer, offer, now):
        buy(session, buyer=buyer, offer=offer, now=now)
        session.refresh(offer)
        assert offer.status is PublicationStatus.UNLISTED
        assert session.get_one(Character, offer.character_id).status is CharacterStatus.DRAFT
        with pytest.raises((NotFoundError, NotForSaleError)):
            begin(session, buyer=other_buyer, offer=offer, now=now)

    def test_never_comes_back(self, session, buyer, creator, offer, now):
        buy(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(SoldExclusivelyError):
            listings.relist(session, actor=creator, publication_id=offer.id, now=now)
        with pytest.raises(ListingInvalidError) as told:
            make_listing(
                session, owner=creator, now=now, character=session.get_one(Character, offer.character_id), title="Again"
            )
        assert "license_type" in told.value.fields

    def test_cannot_follow_sales_under_another_licence(self, session, buyer, creator, now):
        earlier = make_offer(session, owner=creator, now=now)
        buy(session, buyer=buyer, offer=earlier, now=now)
        with pytest.raises(ListingInvalidError) as told:
            make_listing(
                session,
                owner=creator,
                now=now,
                character=session.get_one(Character, earlier.character_id),
                license_type=LicenseType.EXCLUSIVE,
                price=Money(9900, "USD"),
            )
        assert "earlier licence" in told.value.fields["license_type"]

    def test_of_two_who_press_at_once_one_gets_it(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            offer = make_offer(
                session, owner=make_actor(session, RoleName.CREATOR), now=now, license_type=LicenseType.EXCLUSIVE
            )
            people = [make_actor(session, RoleName.CREATOR) for _ in range(6)]
        outcomes = at_once(
            committed_database.engine, *(lambda s, who=who: begin(s, buyer=who, offer=offer, now=now) for who in people)
        )
        assert sum(isinstance(one, Purchase) for one in outcomes) == 1
        assert sum(isinstance(one, ReservedError) for one in outcomes) == 5

    def test_is_not_sold_while_it_is_being_withdrawn(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner, who = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.CREATOR)
            offer = make_offer(session, owner=owner, now=now, license_type=LicenseType.EXCLUSIVE)
        at_once(
            committed_database.engine,
            lambda s: buy(s, buyer=who, offer=offer, now=now),
            lambda s: listings.unlist(s, actor=owner, publication_id=offer.id, now=now),
        )
        with session_scope(committed_database.engine) as session:
            assert session.get_one(CharacterPublication, offer.id).status is PublicationStatus.UNLISTED


class TestRefund:
    def test_is_asked_of_the_provider_by_a_job(self, session, buyer, staff, offer, now):
        purchase = buy(session, buyer=buyer, offer=offer, now=now)
        purchases.ask_refund(session, actor=staff, purchase_id=purchase.id, reason="a mistake", now=now)
        assert purchase.refund_asked_at == now
        assert purchase.status is PurchaseStatus.PAID

    def test_that_was_given_up_is_asked_for_again_and_needs_a_person_until_then(
        self, session, buyer, staff, offer, now
    ):
        purchase = buy(session, buyer=buyer, offer=offer, now=now)
        hour = {"actor": staff, "stuck_before": now - timedelta(hours=1)}

        def ask():
            purchases.ask_refund(session, actor=staff, purchase_id=purchase.id, reason="a mistake", now=now)
            return session.scalars(sa.select(JobRun.state).where(JobRun.name == money_queries.REFUND_JOB)).all()

        assert (ask(), ask()) == ([JobState.QUEUED], [JobState.QUEUED])
        assert earnings.count_exceptions(session, **hour) == 0
        session.execute(sa.update(JobRun).values(state=JobState.FAILED, finished_at=now))
        assert earnings.count_exceptions(session, **hour) == 1
        assert sorted(ask()) == [JobState.FAILED, JobState.QUEUED]
        assert earnings.count_exceptions(session, **hour) == 0
        assert earnings.count_exceptions(session, actor=staff, stuck_before=now + timedelta(hours=2)) == 1
        # It is on its way back: its creator is not paid it meanwhile.
        assert purchases.release_due(session, now=now + timedelta(days=9)) == 0

    def test_takes_back_what_the_sale_gave(self, session, buyer, creator, offer, now):
        purchase = buy(session, buyer=buyer, offer=offer, now=now)
        assert held_by(session, creator) == 425
        purchases.refunded(session, purchase, now=now)
        assert held_by(session, creator) == 0

    def test_of_what_was_not_paid_is_refused(self, session, buyer, staff, offer, now):
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(NotRefundableError):
            purchases.ask_refund(session, actor=staff, purchase_id=purchase.id, reason="x", now=now)

    def test_of_ones_own_purchase_is_for_somebody_else(self, session, offer, now):
        both = make_actor(session, RoleName.STAFF, RoleName.CREATOR)
        purchase = buy(session, buyer=both, offer=offer, now=now)
        with pytest.raises(OwnRefundError):
            purchases.ask_refund(session, actor=both, purchase_id=purchase.id, reason="x", now=now)
        assert purchase.refund_asked_at is None

    def test_is_for_staff(self, session, buyer, offer, now):
        purchase = buy(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(ForbiddenError):
            purchases.ask_refund(session, actor=buyer, purchase_id=purchase.id, reason="x", now=now)

    def test_lets_the_buyer_buy_again(self, session, buyer, offer, now):
        purchases.refunded(session, buy(session, buyer=buyer, offer=offer, now=now), now=now)
        assert buy(session, buyer=buyer, offer=offer, now=now).status is PurchaseStatus.PAID


class TestRelease:
    def test_waits_for_the_end_of_the_hold(self, session, buyer, creator, offer, now):
        buy(session, buyer=buyer, offer=offer, now=now)
        assert purchases.release_due(session, now=now + timedelta(days=6)) == 0
        assert purchases.release_due(session, now=now + timedelta(days=7)) == 1
        assert purchases.release_due(session, now=now + timedelta(days=8)) == 0
        assert held_by(session, creator) == 0
        assert held_by(session, creator, AccountKind.CREATOR_AVAILABLE) == 425

    def test_leaves_alone_what_is_disputed(self, session, buyer, creator, offer, now):
        purchase = buy(session, buyer=buyer, offer=offer, now=now)
        tell(session, purchase, EventKind.DISPUTED, now=now)
        assert purchases.release_due(session, now=now + timedelta(days=9)) == 0

    def test_of_two_schedulers_at_once_happens_once(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            for _ in range(3):
                offer = make_offer(session, owner=owner, now=now)
                buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)
        later = now + timedelta(days=8)
        at_once(committed_database.engine, *[lambda s: purchases.release_due(s, now=later)] * 4)
        with session_scope(committed_database.engine) as session:
            purchases.release_due(session, now=later)
            assert held_by(session, owner, AccountKind.CREATOR_AVAILABLE) == 3 * 425


class TestPostgresRefuses:
    """Tried with plain SQL."""

    @pytest.fixture
    def paid(self, session, buyer, offer, now):
        made = buy(session, buyer=buyer, offer=offer, now=now)
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))
        return made

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ("price_minor = 1", "agreed and stays"),
            ("license_type = 'exclusive'", "agreed and stays"),
            ("fee_minor = 0", "agreed and stays"),
            ("currency = 'CNY'", "agreed and stays"),
            ("buyer_id = creator_id", "agreed and stays"),
            ("paid_at = paid_at + interval '1 day'", "agreed and stays"),
            ("status = 'refunded'", "refunded_goes_with_refunded_at"),
            ("status = 'pending'", "paid_goes_with_paid_at"),
            ("status = 'disputed'", "disputed_goes_with_disputed_at"),
            ("status = 'cancelled'", "goes_with"),
            ("status = 'whatever'", "status"),
            ("released_at = available_at - interval '1 second'", "released_after_the_hold"),
        ],
    )
    def test_changing_what_was_agreed_or_a_status_without_its_date(self, session, paid, change, why):
        with pytest.raises(DBAPIError, match=why), session.begin_nested():
            session.execute(sa.text(f"UPDATE transactions SET {change} WHERE id = :id"), {"id": paid.id})

    def test_deleting_a_purchase(self, session, paid):
        with pytest.raises(IntegrityError, match="keeps its rows"), session.begin_nested():
            session.execute(sa.text("DELETE FROM transactions"))

    COPY = (
        "INSERT INTO transactions SELECT (jsonb_populate_record(t, to_jsonb(t) || CAST(:changes AS jsonb))).* "
        "FROM transactions t WHERE id = :id"
    )

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ('"price_minor": -1', "price"),
            ('"price_minor": 1000000000000', "price_is_in_bounds"),
            ('"currency": "usd"', "currency_is_iso_4217"),
            ('"fee_minor": 501', "fee_is_part_of_the_price"),
            ('"license_type": "free"', "free_costs_nothing"),
            ('"idempotency_key": "n"', "buyer_id_character_id_held"),
        ],
    )
    def test_a_purchase_that_cannot_be(self, session, paid, changes, why):
        fresh = '"id": "01939e3a-0000-7000-8000-000000000001", "payment_reference": null, "provider_reference": null, '
        with pytest.raises(DBAPIError, match=why), session.begin_nested():
            session.execute(sa.text(self.COPY), {"id": paid.id, "changes": "{" + fresh + changes + "}"})

    def test_a_second_buyer_of_an_exclusive(self, session, buyer, other_buyer, creator, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        paid = buy(session, buyer=buyer, offer=offer, now=now)
        changes = (
            '{"id": "01939e3a-0000-7000-8000-000000000001", "payment_reference": null, "provider_reference": null, '
            f'"buyer_id": "{other_buyer.user_id}"}}'
        )
        with pytest.raises(IntegrityError, match="character_id_exclusive"), session.begin_nested():
            session.execute(sa.text(self.COPY), {"id": paid.id, "changes": changes})

    def test_an_exclusive_that_was_sold_on_the_market(self, session, buyer, creator, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        buy(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(IntegrityError, match="not on the market"), session.begin_nested():
            session.execute(
                sa.text("UPDATE character_publications SET status = 'approved' WHERE id = :id"), {"id": offer.id}
            )
            session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    def test_selling_an_exclusive_without_taking_it_off_the_market(self, session, buyer, creator, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        purchase = begin(session, buyer=buyer, offer=offer, now=now)
        with pytest.raises(IntegrityError, match="not on the market"), session.begin_nested():
            session.execute(
                sa.text(
                    "UPDATE transactions SET status = 'paid', paid_at = now(), available_at = now() WHERE id = :id"
                ),
                {"id": purchase.id},
            )
            session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    def test_deleting_a_creator_whose_earnings_are_unpaid(self, session, paid):
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(sa.text("DELETE FROM users WHERE id = :id"), {"id": paid.creator_id})
