"""What a moderator hid or took down for a severe reason is handed out to nobody, and not sold by a checkout in flight."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import Character
from studio.kit.errors import NotFoundError
from studio.market.catalogue import cases, listings, withheld
from studio.market.catalogue.errors import TakenDownSinceError
from studio.market.catalogue.withheld import Withheld
from studio.market.models import (
    TAKEN_DOWN,
    CaseState,
    CharacterDownload,
    CharacterPublication,
    EventOutcome,
    FlagKind,
    Notice,
    PublicationStatus,
    PurchaseStatus,
    ReviewFlag,
)
from studio.market.money import downloads, purchases
from studio.market.money.errors import (
    CheckoutOverError,
    OnHoldError,
    TakenDownError,
    TakenDownWithAnotherError,
)
from studio.market.review import appeals, claims, decisions, recalls
from studio.market.review.errors import DecideInsteadError
from studio.market.review.rules import AT_ONCE, Reason
from studio.providers.payments import Checkout, EventKind
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.market import make_claimed_case
from tests.factories.media import make_storage
from tests.factories.money import begin, buy, make_offer, tell

SECRET = "a secret"


@pytest.fixture
def buyer(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def offer(session, creator, now):
    return make_offer(session, owner=creator, now=now)


@pytest.fixture
def take_down(session, offer, moderator, other_moderator, now):
    """Has two moderators take the offer down; a severe one waits where there is nobody to confirm."""

    def do(*, is_severe=True, confirmed=True, of=offer, now=now):
        case = cases.open_case(session, of, actor=moderator, now=now)
        case.state = CaseState.WAITING
        session.flush()
        claims.claim(session, actor=moderator, case_id=case.id, now=now)
        made = decisions.take_down(
            session, actor=moderator, case_id=case.id, content_hash=of.content_hash, reasons=[Reason("spam")],
            is_severe=is_severe, now=now, hold=AT_ONCE,
        )  # fmt: skip
        if is_severe and confirmed:
            decisions.second(session, actor=other_moderator, case_id=case.id, agrees=True, now=now, hold=AT_ONCE)
        return made

    return do


def link(session, buyer, purchase, now):
    return downloads.make_link(
        session, actor=buyer, purchase_id=purchase.id, version_number=1, form="json", secret=SECRET, now=now
    )


class TestDownloads:
    @pytest.fixture
    def bought(self, session, buyer, offer, now):
        return buy(session, buyer=buyer, offer=offer, now=now)

    @pytest.fixture
    def follow(self, session, tmp_path, buyer, now):
        def do(token):
            storage = make_storage(tmp_path)
            return downloads.follow(session, actor=buyer, token=token, secret=SECRET, storage=storage, now=now)

        return do

    def test_of_what_was_taken_down_for_a_severe_reason_are_refused_with_what_can_be_done(
        self, session, buyer, bought, take_down, follow, now
    ):
        token = link(session, buyer, bought, now)
        take_down()
        for act in (lambda: link(session, buyer, bought, now), lambda: follow(token)):
            with pytest.raises(TakenDownError, match=r"taken down .* money back") as refused:
                act()
            assert refused.value.status == 410
        # The proof stays.
        assert session.scalars(sa.select(CharacterDownload)).one().purchase_id == bought.id
        assert bought.status is PurchaseStatus.PAID

    def test_of_what_is_hidden_wait_until_somebody_has_looked(
        self, session, buyer, bought, offer, moderator, follow, now
    ):
        token = link(session, buyer, bought, now)
        recalls.quarantine(session, actor=moderator, publication_id=offer.id, reason="Look.", now=now)
        for act in (lambda: link(session, buyer, bought, now), lambda: follow(token)):
            with pytest.raises(OnHoldError, match="on hold") as refused:
                act()
            assert refused.value.status == 410
        recalls.release(session, actor=moderator, publication_id=offer.id, now=now)
        assert follow(token).data

    def test_of_what_is_proposed_to_be_taken_down_wait_as_well(
        self, session, buyer, bought, offer, take_down, other_moderator, now
    ):
        made = take_down(confirmed=False)
        with pytest.raises(OnHoldError):
            link(session, buyer, bought, now)
        decisions.second(session, actor=other_moderator, case_id=made.case_id, agrees=False, now=now)
        assert link(session, buyer, bought, now)

    def test_of_what_was_taken_down_otherwise_go_on(self, session, buyer, bought, take_down, follow, now):
        take_down(is_severe=False)
        assert follow(link(session, buyer, bought, now)).data

    def test_go_on_when_an_appeal_was_upheld(self, session, buyer, bought, creator, offer, take_down, now):
        take_down()
        row = appeals.appeal(session, actor=creator, publication_id=offer.id, text="She is grown up.", now=now)
        third = make_actor(session, RoleName.MODERATOR)
        appeals.answer(session, actor=third, appeal_id=row.id, upholds=True, text="She is.", now=now)
        assert withheld.of_character(session, character_id=offer.character_id) == {}
        assert link(session, buyer, bought, now)


class TestACheckoutInFlight:
    @pytest.fixture
    def purchase(self, session, buyer, offer, now):
        return begin(session, buyer=buyer, offer=offer, now=now)

    def test_of_what_was_taken_down_for_a_severe_reason_gives_the_money_back(self, session, purchase, take_down, now):
        take_down()
        assert tell(session, purchase, EventKind.PAID, now=now) is EventOutcome.PROBLEM
        assert (purchase.status, purchase.reason) == (PurchaseStatus.CANCELLED, TAKEN_DOWN)
        assert purchase.was_paid_too_late
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "money.refund_purchase")).one()
        assert job.arguments == {"purchase_id": str(purchase.id)}
        purchases.refunded(session, purchase, now=now)
        assert purchase.status is PurchaseStatus.REFUNDED

    def test_of_what_was_over_before_gives_it_back_too(self, session, purchase, take_down, now):
        take_down()
        tell(session, purchase, EventKind.EXPIRED, now=now)
        assert tell(session, purchase, EventKind.PAID, now=now) is EventOutcome.PROBLEM
        assert purchase.was_paid_too_late

    def test_of_what_is_hidden_is_paid_and_waits(self, session, purchase, buyer, offer, moderator, now):
        recalls.quarantine(session, actor=moderator, publication_id=offer.id, reason="Look.", now=now)
        assert tell(session, purchase, EventKind.PAID, now=now) is EventOutcome.APPLIED
        with pytest.raises(OnHoldError):
            link(session, buyer, purchase, now)

    def test_that_was_begun_on_the_market_is_honoured_off_it(self, session, purchase, buyer, creator, offer, now):
        listings.unlist(session, actor=creator, publication_id=offer.id, now=now)
        page = purchases.open_checkout(
            session, actor=buyer, purchase_id=purchase.id, provider="local",
            open_=lambda _: Checkout("reference", "/pay"), now=now,
        )  # fmt: skip
        assert page == "/pay"
        assert tell(session, purchase, EventKind.PAID, now=now) is EventOutcome.APPLIED
        assert (purchase.status, offer.status) == (PurchaseStatus.PAID, PublicationStatus.UNLISTED)
        assert link(session, buyer, purchase, now)
        with pytest.raises(NotFoundError):
            begin(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)

    def test_of_what_was_taken_down_otherwise_is_a_sale(self, session, purchase, take_down, now):
        take_down(is_severe=False)
        assert tell(session, purchase, EventKind.PAID, now=now) is EventOutcome.APPLIED

    @pytest.mark.parametrize("confirmed", [True, False])
    def test_leads_nobody_to_pay_for_what_is_not_handed_out(self, session, purchase, buyer, take_down, now, confirmed):
        take_down(confirmed=confirmed)
        with pytest.raises(CheckoutOverError):
            purchases.open_checkout(
                session,
                actor=buyer,
                purchase_id=purchase.id,
                provider="local",
                open_=lambda _: Checkout("reference", "/pay"),
                now=now,
            )


def test_a_version_is_withheld_as_its_newest_decision_says(session, offer, take_down, moderator, now):
    assert withheld.of_character(session, character_id=offer.character_id) == {}
    take_down(confirmed=False)
    assert withheld.of_character(session, character_id=offer.character_id) == {1: Withheld.ON_HOLD}


class TestTheOtherVersionsOfWhatWasTakenDown:
    @pytest.fixture
    def bought(self, session, buyer, offer, now):
        """Version 1, before there was another."""
        return buy(session, buyer=buyer, offer=offer, now=now)

    @pytest.fixture
    def next_version(self, session, creator, offer):
        """Puts another version of the character on the market, and what was live before off it."""

        def do(words, at):
            character = session.get_one(Character, offer.character_id)
            characters.update(
                session, actor=creator, character_id=character.id, row_version=character.row_version,
                changes={"description": words}, now=at,
            )  # fmt: skip
            return make_offer(session, owner=creator, now=at, character=character)

        return do

    @pytest.fixture
    def second(self, bought, next_version, now):
        return next_version("A second edition, which is not innocent at all.", now + timedelta(hours=1))

    def test_wait_with_it_while_it_is_proposed(self, session, buyer, bought, second, take_down, now):
        at = now + timedelta(hours=2)
        assert link(session, buyer, bought, at)
        take_down(of=second, now=at, confirmed=False)
        with pytest.raises(OnHoldError):
            link(session, buyer, bought, at)

    def test_are_handed_out_to_nobody_any_more_and_are_not_listed_again(
        self, session, buyer, creator, bought, offer, second, take_down, next_version, now
    ):
        at, later = now + timedelta(hours=2), now + timedelta(hours=3)
        take_down(of=second, now=at)
        with pytest.raises(TakenDownWithAnotherError, match=r"Another version .* proof") as refused:
            link(session, buyer, bought, at)
        assert refused.value.status == 410
        assert session.scalars(sa.select(CharacterDownload.purchase_id)).all() == []
        assert bought.status is PurchaseStatus.PAID
        with pytest.raises(TakenDownSinceError):
            listings.relist(session, actor=creator, publication_id=offer.id, now=at)
        next_version("A third edition, and an innocent one.", later)
        found = withheld.of_character(session, character_id=offer.character_id)
        assert found == {1: Withheld.WITH_ANOTHER, 2: Withheld.TAKEN_DOWN}

    def test_come_back_when_an_appeal_was_upheld(self, session, buyer, creator, bought, second, take_down, now):
        at = now + timedelta(hours=2)
        take_down(of=second, now=at)
        row = appeals.appeal(session, actor=creator, publication_id=second.id, text="It is innocent.", now=at)
        third = make_actor(session, RoleName.MODERATOR)
        appeals.answer(session, actor=third, appeal_id=row.id, upholds=True, text="It is.", now=at)
        assert link(session, buyer, bought, at)

    def test_are_looked_at_again_where_they_are_when_a_successor_is_refused_before_it_was_live(
        self, session, buyer, creator, moderator, bought, offer, now
    ):
        at = now + timedelta(hours=1)
        character = session.get_one(Character, offer.character_id)
        characters.update(
            session, actor=creator, character_id=character.id, row_version=character.row_version,
            changes={"description": "A second edition that nobody shall see."}, now=at,
        )  # fmt: skip
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=at, character=character)
        refused = session.get_one(CharacterPublication, case.publication_id)
        decisions.reject(
            session, actor=moderator, case_id=case.id, content_hash=refused.content_hash, reasons=[Reason("spam")],
            is_severe=True, now=at, hold=AT_ONCE,
        )  # fmt: skip
        assert (refused.status, offer.status) == (PublicationStatus.REJECTED, PublicationStatus.APPROVED)
        [flag] = session.scalars(sa.select(ReviewFlag).where(ReviewFlag.cleared_at.is_(None)))
        assert (flag.publication_id, flag.kind) == (offer.id, FlagKind.REQUEUED)
        assert cases.find_open_case(session, publication_id=offer.id)
        assert link(session, buyer, bought, at)

    def test_stay_where_the_reason_was_not_severe(self, session, buyer, bought, second, take_down, now):
        take_down(of=second, now=now + timedelta(hours=2), is_severe=False)
        assert link(session, buyer, bought, now + timedelta(hours=2))

    def test_are_off_the_market_until_a_moderator_has_decided(self, session, offer, second, moderator, take_down, now):
        at, later = now + timedelta(hours=2), now + timedelta(hours=3)
        take_down(of=offer, now=at)
        assert (second.status, second.notice) == (PublicationStatus.QUARANTINED, Notice.QUARANTINED)
        [flag] = session.scalars(sa.select(ReviewFlag).where(ReviewFlag.publication_id == second.id))
        assert (flag.kind, flag.cleared_at) == (FlagKind.QUARANTINED, None)
        with pytest.raises(DecideInsteadError):
            recalls.release(session, actor=moderator, publication_id=second.id, now=at)
        case = cases.find_open_case(session, publication_id=second.id)
        case.state = CaseState.WAITING
        session.flush()
        claims.claim(session, actor=moderator, case_id=case.id, now=later)
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=second.content_hash, now=later, hold=AT_ONCE
        )
        assert second.status is PublicationStatus.APPROVED
        assert withheld.of_character(session, character_id=offer.character_id) == {1: Withheld.TAKEN_DOWN}
