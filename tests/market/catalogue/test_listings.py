import pytest
import sqlalchemy as sa
from sqlalchemy.orm import undefer

from studio.accounts.models import AuditEntry
from studio.authoring import characters
from studio.authoring.models import Character, CharacterStatus, ListedCharacter
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.money import Money
from studio.market.catalogue import listings, rules
from studio.market.catalogue.errors import (
    AlreadyPendingError,
    ArchivedCharacterError,
    ListingInvalidError,
    NotLiveError,
    NotPendingError,
    NotUnlistedError,
    OtherLiveError,
)
from studio.market.models import CaseState, CharacterPublication, LicenseType, PublicationStatus
from studio.market.review import queue
from studio.work.models import JobRun
from tests.factories.market import (
    case_of,
    make_card,
    make_category,
    make_claimed_case,
    make_listing,
    make_live_listing,
)


def jobs(session, name):
    return session.scalars(sa.select(JobRun).where(JobRun.name == name)).all()


class TestSubmit:
    def test_waits_for_review_in_a_version_of_its_own(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        assert publication.status is PublicationStatus.PENDING
        assert publication.version_number == 1
        assert publication.submitted_at == now
        case = case_of(session, publication)
        assert case.state is CaseState.SCREENING
        assert case.due_at == rules.due_at(now)

    def test_asks_for_its_screening_and_its_embedding(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        [job] = jobs(session, "market.screen_listing")
        assert job.arguments == {"case_id": str(case_of(session, publication).id)}
        assert [j.arguments["character_id"] for j in jobs(session, "memory.embed_character")] == [
            str(publication.character_id)
        ]

    def test_is_audited(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "listing.submit")).one()
        assert entry.resource_id == publication.id
        assert entry.actor_id == creator.user_id

    def test_returns_the_same_one_on_a_double_click(self, session, creator, now):
        character = make_card(session, owner=creator, now=now)
        first = make_listing(session, owner=creator, now=now, character=character)
        assert make_listing(session, owner=creator, now=now, character=character) is first
        assert len(jobs(session, "market.screen_listing")) == 1

    def test_refuses_another_while_one_waits_and_names_it(self, session, creator, now):
        character = make_card(session, owner=creator, now=now)
        make_listing(session, owner=creator, now=now, character=character)
        with pytest.raises(AlreadyPendingError, match="The keeper of the light"):
            make_listing(session, owner=creator, now=now, character=character, title="Another")

    def test_names_every_wrong_field_at_once(self, session, creator, staff, now):
        closed = make_category(session, staff=staff, is_active=False)
        with pytest.raises(ListingInvalidError) as caught:
            make_listing(
                session, owner=creator, now=now, title=" \u200b ", tags=["x" * 51], category_id=closed.id,
                description="x" * 20_001, price=Money(100, "EUR"), license_type=LicenseType.FREE,
            )  # fmt: skip
        assert set(caught.value.fields) == {"title", "tags", "category_id", "description", "price"}
        assert session.scalar(sa.select(sa.func.count()).select_from(CharacterPublication)) == 0

    def test_refuses_a_price_of_nothing_that_is_not_free(self, session, creator, now):
        with pytest.raises(ListingInvalidError) as caught:
            make_listing(session, owner=creator, now=now, price=Money(0, "CNY"))
        assert set(caught.value.fields) == {"price"}

    def test_takes_a_free_one(self, session, creator, now):
        publication = make_listing(
            session, owner=creator, now=now, price=Money(0, "CNY"), license_type=LicenseType.FREE
        )
        assert (publication.price_minor, publication.currency) == (0, "CNY")

    def test_does_not_find_somebody_elses_draft(self, session, creator, other_creator, now):
        character = make_card(session, owner=creator, now=now)
        with pytest.raises(NotFoundError):
            make_listing(session, owner=other_creator, now=now, character=character)

    def test_refuses_somebody_elses_published_character(self, session, creator, other_creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        character = session.get_one(Character, live.character_id)
        with pytest.raises(ForbiddenError):
            make_listing(session, owner=other_creator, now=now, character=character)

    def test_refuses_who_may_not_submit(self, session, creator, moderator, now):
        character = make_card(session, owner=creator, now=now)
        with pytest.raises(ForbiddenError):
            make_listing(session, owner=moderator, now=now, character=character)

    def test_refuses_an_archived_character(self, session, creator, now):
        character = make_card(session, owner=creator, now=now)
        characters.archive(session, actor=creator, character_id=character.id, now=now)
        with pytest.raises(ArchivedCharacterError):
            make_listing(session, owner=creator, now=now, character=character)

    def test_leaves_the_live_one_live(self, session, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        character = session.get_one(Character, live.character_id)
        make_listing(session, owner=creator, now=now, character=character, title="A second edition")
        assert live.status is PublicationStatus.APPROVED

    def test_keeps_chinese_words(self, session, creator, now):
        publication = make_listing(
            session, owner=creator, now=now, title="　灯塔　守护人 ", tags=["海", "海", " 安静 "]
        )
        assert publication.title == "灯塔 守护人"
        assert publication.tags == ["海", "安静"]


class TestWithdraw:
    def test_closes_the_review(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)
        assert publication.status is PublicationStatus.WITHDRAWN
        case = case_of(session, publication)
        assert (case.state, case.closed_at) == (CaseState.WITHDRAWN, now)

    def test_may_be_repeated(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        for _ in range(2):
            listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)

    def test_takes_it_out_of_a_moderators_hands(self, session, creator, moderator, now):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        listings.withdraw(session, actor=creator, publication_id=case.publication_id, now=now)
        assert (case.state, case.claimed_by_id, case.claim_expires_at) == (CaseState.WITHDRAWN, None, None)

    def test_refuses_a_live_one(self, session, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        with pytest.raises(NotPendingError):
            listings.withdraw(session, actor=creator, publication_id=live.id, now=now)

    def test_does_not_find_somebody_elses(self, session, creator, other_creator, now):
        publication = make_listing(session, owner=creator, now=now)
        with pytest.raises(NotFoundError):
            listings.withdraw(session, actor=other_creator, publication_id=publication.id, now=now)

    def test_lets_the_creator_submit_again(self, session, creator, now):
        character = make_card(session, owner=creator, now=now)
        first = make_listing(session, owner=creator, now=now, character=character)
        listings.withdraw(session, actor=creator, publication_id=first.id, now=now)
        second = make_listing(session, owner=creator, now=now, character=character)
        assert second.id != first.id
        assert second.version_number == first.version_number


class TestUnlist:
    def test_takes_the_character_off_the_market(self, session, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        assert live.status is PublicationStatus.UNLISTED
        assert session.get_one(Character, live.character_id).status is CharacterStatus.DRAFT

    def test_refuses_what_is_not_live(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        with pytest.raises(NotLiveError):
            listings.unlist(session, actor=creator, publication_id=publication.id, now=now)

    def test_does_not_find_somebody_elses_though_everyone_sees_it(
        self, session, creator, other_creator, moderator, now
    ):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        with pytest.raises(NotFoundError):
            listings.unlist(session, actor=other_creator, publication_id=live.id, now=now)


class TestRelist:
    def test_puts_it_back(self, session, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        listings.relist(session, actor=creator, publication_id=live.id, now=now)
        assert live.status is PublicationStatus.APPROVED
        assert session.get_one(Character, live.character_id).status is CharacterStatus.PUBLISHED

    def test_refuses_what_was_never_approved(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)
        with pytest.raises(NotUnlistedError):
            listings.relist(session, actor=creator, publication_id=publication.id, now=now)

    def test_refuses_while_another_is_live(self, session, creator, moderator, now):
        first = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        character = session.get_one(Character, first.character_id)
        make_live_listing(
            session, owner=creator, moderator=moderator, now=now, character=character, title="Second edition"
        )
        assert first.status is PublicationStatus.UNLISTED
        with pytest.raises(OtherLiveError, match="Second edition"):
            listings.relist(session, actor=creator, publication_id=first.id, now=now)


class TestShowCharacter:
    def test_leaves_open_editors_fresh(self, session, creator, moderator, now):
        character = make_card(session, owner=creator, now=now)
        before = (character.row_version, character.updated_at)
        make_live_listing(session, owner=creator, moderator=moderator, now=now, character=character)
        session.refresh(character)
        assert character.status is CharacterStatus.PUBLISHED
        assert (character.row_version, character.updated_at) == before

    def test_lets_others_find_it_by_the_words_of_the_listing(self, session, creator, moderator, now):
        live = make_live_listing(
            session, owner=creator, moderator=moderator, now=now, title="Zephyr nights 星夜", tags=["quixotic"]
        )
        found = session.get_one(ListedCharacter, live.character_id, options=[undefer("*")])
        assert "zephyr nights 星夜" in found.search_text
        assert "quixotic" in found.search_text
        assert "星夜" in found.bigrams
        assert found.tags == []


class TestConstraints:
    """What PostgreSQL itself refuses, whoever writes."""

    @pytest.mark.parametrize(
        ("values", "constraint"),
        [
            ({"price_minor": -1}, "price_is_not_negative"),
            ({"price_minor": 0}, "free_costs_nothing"),
            ({"license_type": "free"}, "free_costs_nothing"),
            ({"currency": "usd"}, "currency_is_iso_4217"),
            ({"status": "approved"}, "approved_has_published_at"),
            ({"status": "nonsense"}, "status"),
            ({"license_type": "nonsense"}, "license_type"),
            ({"title": "x" * 201}, "title_at_most_200"),
            ({"description": "x" * 20_001}, "description_at_most_20000"),
            ({"version_number": 7}, "fk_character_publications_version"),
        ],
    )
    def test_refuses_what_no_listing_may_be(self, session, creator, now, values, constraint):
        publication = make_listing(session, owner=creator, now=now)
        sets = ", ".join(f"{name} = :{name}" for name in values)
        with pytest.raises(sa.exc.IntegrityError, match=constraint):
            session.execute(
                sa.text(f"UPDATE character_publications SET {sets} WHERE id = :id"), {**values, "id": publication.id}
            )

    @pytest.mark.parametrize("status", ["pending", "approved"])
    def test_refuses_a_second_one_of_a_character(self, session, creator, now, status):
        character = make_card(session, owner=creator, now=now)
        first = make_listing(session, owner=creator, now=now, character=character)
        listings.withdraw(session, actor=creator, publication_id=first.id, now=now)
        second = make_listing(session, owner=creator, now=now, character=character)
        # The steps themselves are refused before; this is what stands behind them.
        session.execute(sa.text("SET LOCAL session_replication_role = 'replica'"))
        with pytest.raises(sa.exc.IntegrityError, match="uq_character_publications_character_id"):
            session.execute(
                sa.text(
                    "UPDATE character_publications SET status = :s, ended_at = NULL, published_at = now() + interval '1 year' WHERE id IN (:a, :b)"
                ),
                {"s": status, "a": first.id, "b": second.id},
            )


def test_approval_is_needed_for_every_live_listing(session, creator, moderator, now):
    live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
    assert queue.page(session, actor=moderator, now=now).rows == []
    assert live.published_at == now
