"""What is alike to a submission: found by card, text and picture within bounds, kept with the case, decided by nobody."""

import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from studio.authoring import characters
from studio.authoring.models import Character
from studio.market.catalogue import cases, listings, queries
from studio.market.models import (
    CardFingerprint,
    CaseMatch,
    CaseState,
    CharacterPublication,
    FingerprintBand,
    MatchKind,
    PublicationStatus,
    ScreeningResult,
)
from studio.market.review import dossier
from studio.market.screening import duplicates, screening
from studio.media.models import MediaFile
from studio.memory import embeddings as vectors
from studio.providers import embeddings
from studio.providers.storage import key_of
from studio.settings import Settings
from tests.factories.market import case_of, make_card, make_claimed_case, make_listing, make_live_listing
from tests.factories.media import make_portrait, make_storage

STORY = (
    "He keeps the last lighthouse on the northern shore, writes letters to ships that never answer, and hums while he "
    "works. When somebody comes up the stairs he pretends not to have waited. On Sundays he polishes the great lens, "
    "and tells the gulls what he read in the almanac about tides, eclipses and the price of lamp oil in the capital. "
)
OTHER = (
    "She repairs clocks in a town where it always rains, and is paid in hours. Nobody knows how old she is. Her shop "
    "smells of brass and wet wool; a raven without a name sits on the counter and counts the customers who never return. "
)


@pytest.fixture
def storage(tmp_path):
    return make_storage(tmp_path)


def screened(session, storage, *, owner, now, **card):
    character = make_card(session, owner=owner, now=now, **card)
    case = case_of(session, make_listing(session, owner=owner, now=now, character=character))
    screening.run(session, case_id=case.id, storage=storage, now=now)
    return character, case


def matches(session, case):
    rows = session.scalars(sa.select(CaseMatch).where(CaseMatch.case_id == case.id))
    return {(row.kind, row.character_id): row for row in rows}


def fingerprint_of(session, character_id):
    """The only fingerprint of a character."""
    return session.scalars(sa.select(CardFingerprint).where(CardFingerprint.character_id == character_id)).one()


def rewrite(session, character, *, owner, now, **changes):
    characters.update(
        session, actor=owner, character_id=character.id, row_version=character.row_version, changes=changes, now=now
    )


class TestLive:
    """What is live is found though its owner submitted something else since."""

    @pytest.fixture
    def live(self, session, storage, creator, moderator, now):
        """A live character in two looks, whose second version waits for review and shares nothing with the first."""
        data = io.BytesIO()
        Image.effect_mandelbrot((400, 600), (-2, -1, 1, 1), 80).convert("RGB").save(data, "PNG")
        character = make_card(session, owner=creator, now=now, name="Elias", description=STORY)
        character.portrait_id = make_portrait(session, actor=creator, storage=storage, data=data.getvalue()).id
        session.flush()
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now, character=character)
        screening.run(
            session, case_id=cases.open_case(session, live, actor=creator, now=now).id, storage=storage, now=now
        )
        other = io.BytesIO()
        Image.linear_gradient("L").rotate(90).convert("RGB").save(other, "PNG")
        rewrite(session, character, owner=creator, now=now, name="Mira", description=OTHER)
        character.portrait_id = make_portrait(session, actor=creator, storage=storage, data=other.getvalue()).id
        session.flush()
        later = now + timedelta(minutes=1)
        waiting = case_of(session, make_listing(session, owner=creator, now=later, character=character))
        screening.run(session, case_id=waiting.id, storage=storage, now=later)
        return live

    def test_by_its_card_its_text_and_its_picture_each_in_the_version_that_is_live(
        self, session, storage, live, other_creator, moderator, now
    ):
        version = queries.version_of(session, live)
        picture = storage.get(key_of(session.get_one(MediaFile, version.portrait_id).sha256))
        mine = make_card(session, owner=other_creator, now=now, name="Elias", description=STORY)
        mine.portrait_id = make_portrait(session, actor=other_creator, storage=storage, data=picture).id
        session.flush()
        case = case_of(session, make_listing(session, owner=other_creator, now=now, character=mine))
        screening.run(session, case_id=case.id, storage=storage, now=now)
        found = matches(session, case)
        for kind in (MatchKind.EXACT, MatchKind.TEXT, MatchKind.PICTURE):
            match = found[kind, live.character_id]
            assert (match.version_number, match.similarity) == (live.version_number, 1), kind
        [alike] = dossier.list_alike(session, actor=moderator, case_id=case.id)
        assert (alike.name, alike.portrait_id, alike.version_number) == (
            "Elias",
            version.portrait_id,
            live.version_number,
        )
        shown = dossier.find_alike_version(session, actor=moderator, alike=alike)
        assert (shown.version.card["data"]["description"], shown.is_live) == (STORY, True)

    def test_keeps_two_fingerprints_and_drops_what_is_neither_live_nor_last(
        self, session, storage, live, creator, moderator, now
    ):
        numbers = sa.select(CardFingerprint.version_number).where(CardFingerprint.character_id == live.character_id)
        first, second = sorted(session.scalars(numbers))
        assert first == live.version_number
        character = session.get_one(Character, live.character_id)
        waiting = queries.find_newest_listing(session, actor=creator, character_id=live.character_id)
        listings.withdraw(session, actor=creator, publication_id=waiting.id, now=now)
        rewrite(session, character, owner=creator, now=now, description=OTHER + STORY)
        later = now + timedelta(minutes=2)
        third = case_of(session, make_listing(session, owner=creator, now=later, character=character))
        screening.run(session, case_id=third.id, storage=storage, now=later)
        assert second not in session.scalars(numbers).all()
        assert first in session.scalars(numbers).all()
        assert len(session.scalars(numbers).all()) == 2

    def test_is_filled_in_where_only_the_later_submission_has_a_fingerprint(self, session, live, now):
        of_live = (live.character_id, live.version_number)
        session.delete(session.get_one(CardFingerprint, of_live))
        session.flush()
        assert duplicates.fill(session, limit=5, now=now) == 1
        assert session.get(CardFingerprint, of_live) is not None
        assert duplicates.fill(session, limit=5, now=now) == 0


class TestText:
    def test_finds_a_copy_under_another_name_with_a_sentence_changed(
        self, session, storage, creator, other_creator, now
    ):
        original, _case = screened(session, storage, owner=creator, now=now, name="Elias", description=STORY)
        screened(session, storage, owner=creator, now=now, name="Mira", description=OTHER)
        copied = STORY.replace("He keeps", "Bram keeps").replace("polishes the great lens", "sleeps all day long")
        _copy, case = screened(session, storage, owner=other_creator, now=now, name="Bram", description=copied)
        found = matches(session, case)
        assert set(found) == {(MatchKind.TEXT, original.id)}
        match = found[MatchKind.TEXT, original.id]
        assert 0.6 <= match.similarity < 1
        assert not match.is_same_owner
        result = session.scalars(
            sa.select(ScreeningResult).where(
                ScreeningResult.case_id == case.id, ScreeningResult.check_name == "duplicates"
            )
        ).one()
        assert [item["character_id"] for item in result.evidence] == [str(original.id)]

    def test_replaces_the_fingerprint_with_the_next_submission(self, session, storage, creator, moderator, now):
        character, case = screened(session, storage, owner=creator, now=now, name="Elias", description=STORY)
        before = fingerprint_of(session, character.id).signature
        listings.withdraw(session, actor=creator, publication_id=case.publication_id, now=now)

        characters.update(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            changes={"description": OTHER},
            now=now,
        )
        again = case_of(session, make_listing(session, owner=creator, now=now, character=character))
        screening.run(session, case_id=again.id, storage=storage, now=now)
        session.expire_all()
        kept = fingerprint_of(session, character.id)
        assert kept.signature != before
        bands = sa.select(sa.func.count()).select_from(FingerprintBand)
        assert session.scalar(bands.where(FingerprintBand.character_id == character.id)) == 32
        assert matches(session, again) == {}

    def test_looks_at_a_bounded_part_of_a_template_that_everybody_uses(self, session, storage, creator, now):
        _first, case = screened(session, storage, owner=creator, now=now, name="Elias", description=STORY)
        publication = session.get_one(CharacterPublication, case.publication_id)
        for number in range(15):
            screened(session, storage, owner=creator, now=now, name=f"Elias {number}", description=STORY)
        fingerprint = fingerprint_of(session, publication.character_id)
        found = duplicates.find(session, publication=publication, fingerprint=fingerprint, portrait=None)
        assert len([match for match in found if match.kind is MatchKind.TEXT]) == duplicates.MOST


class TestExact:
    def test_finds_the_same_card_though_its_draft_went_on(self, session, storage, creator, other_creator, now):

        original, _case = screened(session, storage, owner=creator, now=now, name="Ada", description=STORY)
        characters.update(
            session,
            actor=creator,
            character_id=original.id,
            row_version=original.row_version,
            changes={"scenario": "It rains."},
            now=now,
        )
        _copy, case = screened(session, storage, owner=other_creator, now=now, name="Ada", description=STORY)
        assert (MatchKind.EXACT, original.id) in matches(session, case)
        assert case.risk_score >= 50, "a copy with a severe finding"


class TestPicture:
    @pytest.mark.parametrize("scale", [0.5, 1.1])
    def test_finds_a_portrait_of_another_size_by_its_index(self, session, storage, creator, other_creator, now, scale):
        theirs, mine = make_card(session, owner=creator, now=now), make_card(session, owner=other_creator, now=now)
        original = Image.effect_mandelbrot((400, 600), (-2, -1, 1, 1), 80)
        for owner, character, size in (
            (creator, theirs, (400, 600)),
            (other_creator, mine, (int(400 * scale), int(600 * scale))),
        ):
            data = io.BytesIO()
            original.resize(size).convert("RGB").save(data, "PNG")
            character.portrait_id = make_portrait(session, actor=owner, storage=storage, data=data.getvalue()).id
        session.flush()
        case = case_of(session, make_listing(session, owner=other_creator, now=now, character=mine))
        screening.run(session, case_id=case.id, storage=storage, now=now)
        match = matches(session, case)[MatchKind.PICTURE, theirs.id]
        assert match.similarity >= duplicates.SAME_PICTURE


class TestNeighbours:
    def test_are_kept_once_the_embedding_is_there(self, session, storage, creator, moderator, now):
        near, _case = screened(session, storage, owner=creator, now=now, name="Elias", description=STORY)
        _character, case = screened(session, storage, owner=creator, now=now, name="Elias", description=STORY)
        far, _case = screened(session, storage, owner=creator, now=now, name="Otto", description="She repairs clocks.")
        assert duplicates.list_uncompared(session, limit=9) == []
        assert not duplicates.find_neighbours(session, case_id=case.id, now=now)
        embed(session, now)
        assert case.id in duplicates.list_uncompared(session, limit=9)
        assert duplicates.find_neighbours(session, case_id=case.id, now=now)
        assert case.compared_at == now
        assert (MatchKind.IDEA, near.id) in matches(session, case)
        # The nearest of all that there is need not be near: below the cosine of the same idea nothing is said.
        found = sa.select(CaseMatch.similarity).where(CaseMatch.case_id == case.id, CaseMatch.kind == MatchKind.IDEA)
        assert min(session.scalars(found)) >= duplicates.SAME_IDEA
        assert (MatchKind.IDEA, far.id) not in matches(session, case)
        assert case.id not in duplicates.list_uncompared(session, limit=9)

    def test_leave_a_closed_case_alone(self, session, creator, moderator, now):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        listings.withdraw(session, actor=creator, publication_id=case.publication_id, now=now)
        assert case.state is CaseState.WITHDRAWN
        assert not duplicates.find_neighbours(session, case_id=case.id, now=now)


class TestFill:
    def test_remembers_what_was_live_before_there_were_fingerprints(self, session, creator, moderator, now):
        live = make_live_listing(
            session,
            owner=creator,
            moderator=moderator,
            now=now,
            character=make_card(session, owner=creator, now=now, description=STORY),
        )
        session.execute(sa.delete(CardFingerprint))
        assert live.status is PublicationStatus.APPROVED
        assert duplicates.fill(session, limit=5, now=now) == 1
        assert duplicates.fill(session, limit=5, now=now) == 0
        kept = fingerprint_of(session, live.character_id)
        assert kept.content_hash == queries.version_of(session, live).content_hash


def embed(session, now):
    provider = embeddings.from_settings(Settings(_env_file=None))
    vectors.use_model(session, provider=provider)
    ids = vectors.ids_to_look_at(session, provider=provider)
    pending = vectors.pending_of(session, provider=provider, character_ids=ids)
    made = provider.embed([item.text for item in pending])
    vectors.keep(session, provider=provider, pending=pending, vectors=made, now=now)
    vectors.promote(session, provider=provider)
    session.flush()
