"""Downloads: one person, ten minutes, once; and a distinct answer for each reason why not."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import Character
from studio.cards.reader import read_card
from studio.kit.errors import InvalidError, NotFoundError
from studio.market.catalogue import listings
from studio.market.models import CharacterDownload, DownloadLink
from studio.market.money import downloads, purchases
from studio.market.money import queries as money_queries
from studio.market.money.errors import LinkExpiredError, LinkUsedError, NotBoughtError, WithdrawnError
from studio.providers.payments import EventKind
from tests.factories.accounts import make_actor
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
def bought(session, buyer, offer, now):
    return buy(session, buyer=buyer, offer=offer, now=now)


@pytest.fixture
def follow(session, tmp_path, buyer, now):
    def do(token, *, actor=buyer, at=now, secret=SECRET):
        storage = make_storage(tmp_path)
        return downloads.follow(session, actor=actor, token=token, secret=secret, storage=storage, now=at)

    return do


def link(session, buyer, purchase, now, *, version=1, form="json", secret=SECRET):
    return downloads.make_link(
        session, actor=buyer, purchase_id=purchase.id, version_number=version, form=form, secret=secret, now=now
    )


class TestFollowing:
    @pytest.mark.parametrize("form", ["json", "png", "charx"])
    def test_gives_the_card_that_was_bought(self, session, buyer, bought, now, follow, form):
        made = follow(link(session, buyer, bought, now, form=form))
        assert read_card(made.data).card["data"]["description"].startswith("A keeper")

    def test_gives_what_was_listed_and_not_what_was_written_since(
        self, session, buyer, creator, bought, offer, now, follow
    ):
        character = session.get_one(Character, offer.character_id)
        characters.update(
            session, actor=creator, character_id=character.id, row_version=character.row_version,
            changes={"description": "Something else entirely."}, now=now,
        )  # fmt: skip
        assert b"A keeper" in follow(link(session, buyer, bought, now)).data

    def test_counts_once_however_often_it_is_fetched(self, session, buyer, bought, now, follow):
        for minutes in range(3):
            at = now + timedelta(minutes=minutes)
            follow(link(session, buyer, bought, at), at=at)
        [row] = session.scalars(sa.select(CharacterDownload)).all()
        assert row.downloaded_at == now
        assert (row.price_paid_minor, row.purchase_id) == (500, bought.id)

    def test_a_link_that_nobody_followed_counts_nothing(self, session, buyer, bought, now):
        link(session, buyer, bought, now)
        assert session.scalars(sa.select(CharacterDownload.downloaded_at)).one() is None

    def test_twice_is_refused(self, session, buyer, bought, now, follow):
        token = link(session, buyer, bought, now)
        follow(token)
        with pytest.raises(LinkUsedError):
            follow(token)

    def test_after_ten_minutes_is_refused(self, session, buyer, bought, now, follow):
        token = link(session, buyer, bought, now)
        with pytest.raises(LinkExpiredError):
            follow(token, at=now + timedelta(minutes=10))
        assert downloads.sweep_links(session, now=now + timedelta(days=2)) == 1
        with pytest.raises(LinkExpiredError):
            follow(token, at=now + timedelta(days=2))

    def test_by_somebody_else_finds_nothing(self, session, buyer, creator, bought, now, follow):
        with pytest.raises(NotFoundError):
            follow(link(session, buyer, bought, now), actor=creator)

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "WyJ4Il0.xxxx", "é"])
    def test_of_a_forged_link_finds_nothing(self, follow, token):
        with pytest.raises(NotFoundError):
            follow(token)

    def test_of_a_link_signed_with_another_key_finds_nothing(self, session, buyer, bought, now, follow):
        with pytest.raises(NotFoundError):
            follow(link(session, buyer, bought, now, secret="another"))

    def test_of_a_changed_link_finds_nothing(self, session, buyer, bought, now, follow):
        token = link(session, buyer, bought, now)
        with pytest.raises(NotFoundError):
            follow(token[:-2] + ("aa" if token[-2:] != "aa" else "bb"))

    def test_after_a_refund_is_told_apart(self, session, buyer, bought, now, follow):
        token = link(session, buyer, bought, now)
        purchases.refunded(session, bought, now=now)
        with pytest.raises(WithdrawnError):
            follow(token)

    @pytest.mark.parametrize("ends", ["refund", "dispute"])
    def test_works_for_who_bought_again_after_the_licence_had_ended(
        self, session, buyer, bought, offer, now, follow, ends
    ):
        follow(link(session, buyer, bought, now))
        if ends == "refund":
            purchases.refunded(session, bought, now=now)
        else:
            tell(session, bought, EventKind.DISPUTED, now=now)
            tell(session, bought, EventKind.DISPUTE_LOST, now=now)
        again = begin(session, buyer=buyer, offer=offer, now=now)
        # As long as it is not paid, the licence that ended is the only one.
        with pytest.raises(NotBoughtError):
            link(session, buyer, again, now)
        tell(session, again, EventKind.PAID, now=now)
        assert b"A keeper" in follow(link(session, buyer, again, now)).data
        # The proof is of the first time, and the page of the second purchase knows it.
        [proof] = money_queries.list_downloads(session, purchase=again)
        assert proof.purchase_id == bought.id


class TestMakingALink:
    def test_before_it_is_paid_is_refused(self, session, buyer, offer, now):
        with pytest.raises(NotBoughtError):
            link(session, buyer, begin(session, buyer=buyer, offer=offer, now=now), now)

    def test_after_a_refund_is_refused(self, session, buyer, bought, now):
        purchases.refunded(session, bought, now=now)
        with pytest.raises(WithdrawnError):
            link(session, buyer, bought, now)

    def test_during_a_dispute_is_allowed(self, session, buyer, bought, now):
        tell(session, bought, EventKind.DISPUTED, now=now)
        assert link(session, buyer, bought, now)

    def test_for_somebody_elses_purchase_finds_nothing(self, session, creator, bought, now):
        with pytest.raises(NotFoundError):
            link(session, creator, bought, now)

    def test_of_a_version_that_was_never_on_the_market_finds_nothing(self, session, buyer, bought, now):
        with pytest.raises(NotFoundError):
            link(session, buyer, bought, now, version=99)

    def test_of_a_form_that_is_none_is_refused(self, session, buyer, bought, now):
        with pytest.raises(InvalidError):
            link(session, buyer, bought, now, form="exe")

    def test_still_works_when_the_listing_is_off_the_market(self, session, buyer, creator, bought, offer, now, follow):
        listings.unlist(session, actor=creator, publication_id=offer.id, now=now)
        assert follow(link(session, buyer, bought, now)).data

    def test_covers_every_version_that_was_on_the_market(self, session, buyer, creator, bought, offer, now, follow):
        character = session.get_one(Character, offer.character_id)
        characters.update(
            session, actor=creator, character_id=character.id, row_version=character.row_version,
            changes={"description": "A second edition, and longer than the first one was by far, with ships."}, now=now,
        )  # fmt: skip
        later = now + timedelta(days=30)
        make_offer(session, owner=creator, now=later, character=character, title="Second edition")
        assert dict(money_queries.list_versions_held(session, purchase=bought)).keys() == {1, 2}
        assert b"second edition" in follow(link(session, buyer, bought, later, version=2), at=later).data

    def test_covers_the_version_that_was_bought_however_many_came_after_it(
        self, session, buyer, bought, now, monkeypatch, creator, offer
    ):
        monkeypatch.setattr(money_queries, "_MOST_VERSIONS", 1)
        character = session.get_one(Character, offer.character_id)
        for number in (2, 3):
            characters.update(
                session, actor=creator, character_id=character.id, row_version=character.row_version,
                changes={"description": f"Edition {number}, and longer than the one before it was, with {number} ships."},
                now=now,
            )  # fmt: skip
            later = now + timedelta(days=30 * number)
            make_offer(session, owner=creator, now=later, character=character, title=f"Edition {number}")
        assert list(dict(money_queries.list_versions_held(session, purchase=bought))) == [3, 1]
        assert all(link(session, buyer, bought, later, version=number) for number in (1, 2, 3))


class TestPostgresRefuses:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM character_downloads",
            "UPDATE character_downloads SET price_paid_minor = 0",
            "UPDATE character_downloads SET downloaded_at = created_at - interval '1 day'",
            "UPDATE download_links SET expires_at = expires_at + interval '1 hour'",
        ],
    )
    def test_touching_proof_or_lengthening_a_link(self, session, buyer, bought, now, statement):
        link(session, buyer, bought, now)
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(sa.text(statement))

    def test_a_link_that_lives_longer_than_ten_minutes(self, session, buyer, bought, now):
        link(session, buyer, bought, now)
        download_id = session.scalars(sa.select(CharacterDownload.id)).one()
        with pytest.raises(DBAPIError, match="ten_minutes"), session.begin_nested():
            session.execute(
                sa.insert(DownloadLink).values(
                    id=bought.id, download_id=download_id, made_at=now, expires_at=now + timedelta(minutes=11)
                )
            )
