from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.accounts.permissions import RoleName
from studio.authoring import characters, official, queries, stories, versions
from studio.authoring.codes import Code
from studio.authoring.errors import (
    FullStoryError,
    LiveCharacterError,
    NotOfficialError,
    StoryInUseError,
)
from studio.authoring.models import Character, CharacterOrigin, CharacterStatus, ListedCharacter, Story, VersionOccasion
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError, StaleError
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character, make_official, make_story
from tests.factories.media import picture


@pytest.fixture
def staff(session):
    """Who writes stories."""
    return make_actor(session, RoleName.STAFF)


@pytest.fixture
def story(session, staff):
    return make_story(session, staff=staff)


def cast(session, story):
    return [one.code for one in queries.list_cast(session, story_id=story.id)]


class TestCreate:
    def test_gives_the_next_code_padded_alike(self, session, staff, now):
        made = [stories.create(session, actor=staff, title=f"Story {n}", now=now) for n in range(2)]
        assert [one.code for one in made] == ["B001", "B002"]
        session.add(Story(code="B41", title="Brought in"))
        session.flush()
        assert stories.create(session, actor=staff, title="After it", now=now).code == "B42"

    def test_is_for_the_staff_alone(self, session, creator, moderator, now):
        for actor in (creator, moderator):
            with pytest.raises(ForbiddenError):
                stories.create(session, actor=actor, title="Mine", now=now)

    def test_says_what_is_wrong_with_a_title(self, session, staff, now):
        for title in ("", "  \u200b", "x" * 201):
            with pytest.raises(InvalidError) as refusal:
                stories.create(session, actor=staff, title=title, now=now)
            assert "title" in refusal.value.fields

    def test_refuses_the_same_number_under_another_padding(self, session, story):
        session.add(Story(code="B1", title="The same number"))
        with pytest.raises(IntegrityError, match="uq_stories_number"), session.begin_nested():
            session.flush()


class TestUpdate:
    def test_changes_title_and_description(self, session, staff, story, now):
        stories.update(
            session, actor=staff, story_id=story.id, row_version=1, title="Other", description="Long.", now=now
        )
        assert (story.title, story.description, story.code) == ("Other", "Long.", "B001")

    def test_refuses_a_stale_save_and_lets_a_second_click_through(self, session, staff, story, now):
        def save(title, row_version):
            stories.update(
                session, actor=staff, story_id=story.id, row_version=row_version, title=title, description="", now=now
            )

        save("First", 1)
        save("First", 1)
        with pytest.raises(StaleError):
            save("Second", 1)

    def test_keeps_a_cover_in_all_sizes(self, session, staff, storage, story, now):
        stories.set_cover(
            session, actor=staff, storage=storage, story_id=story.id, row_version=1, data=picture(), now=now
        )
        assert story.cover_id is not None
        assert session.scalars(sa.select(JobRun.name)).all() == ["media.make_variants"]
        stories.set_cover(session, actor=staff, storage=storage, story_id=story.id, row_version=2, data=None, now=now)
        assert story.cover_id is None


class TestVisibility:
    def test_is_the_staffs_alone(self, session, staff, creator, moderator, story):
        assert queries.get_story(session, actor=staff, story_id=story.id).id == story.id
        for actor in (creator, moderator):
            with pytest.raises(NotFoundError):
                queries.get_story(session, actor=actor, story_id=story.id)
            with pytest.raises(NotFoundError):
                queries.get_story_by_number(session, actor=actor, number=1)

    def test_finds_by_code_however_it_is_padded(self, session, staff, story):
        character = make_official(session, staff=staff, story=story)
        assert queries.get_story_by_number(session, actor=staff, number=1).id == story.id
        assert queries.get_official(session, actor=staff, code=Code(1, 1)).id == character.id
        with pytest.raises(NotFoundError):
            queries.get_official(session, actor=staff, code=Code(1, 2))


class TestOfficialCharacters:
    def test_get_the_next_code_of_their_story(self, session, staff, story):
        other = make_story(session, staff=staff)
        made = [make_official(session, staff=staff, story=one) for one in (story, story, other)]
        assert [one.code for one in made] == ["B001C001", "B001C002", "B002C001"]
        assert {one.origin for one in made} == {CharacterOrigin.OFFICIAL}
        assert [(one.story_number, one.code_number) for one in made] == [(1, 1), (1, 2), (2, 1)]

    def test_sort_by_number(self, session, staff, story):
        for number in (10, 9, 100):
            session.add(
                Character(
                    origin=CharacterOrigin.OFFICIAL,
                    story_id=story.id,
                    code=f"B001C{number}",
                    story_position=number,
                    name=f"Number {number}",
                )
            )
        session.flush()
        order = sa.select(Character.code).order_by(Character.story_number, Character.code_number)
        assert session.scalars(order).all() == ["B001C9", "B001C10", "B001C100"]
        assert make_official(session, staff=staff, story=story).code == "B001C101"

    def test_are_not_the_same_number_twice(self, session, staff, story):
        make_official(session, staff=staff, story=story)
        session.add(
            Character(origin=CharacterOrigin.OFFICIAL, story_id=story.id, code="B1C1", story_position=7, name="x")
        )
        with pytest.raises(IntegrityError, match="uq_characters_story_number_code_number"), session.begin_nested():
            session.flush()

    def test_are_written_by_the_staff_and_by_nobody_else(self, session, staff, creator, moderator, story, now):
        character = make_official(session, staff=staff, story=story)

        def write(actor):
            return characters.update(
                session,
                actor=actor,
                character_id=character.id,
                row_version=character.row_version,
                changes={"description": "A captain."},
                now=now,
            )

        assert write(staff).description == "A captain."
        for actor in (creator, moderator):
            with pytest.raises(NotFoundError):
                write(actor)
            with pytest.raises(ForbiddenError):
                official.create(session, actor=actor, story_id=story.id, name="Another", now=now)

    def test_need_a_name(self, session, staff, story, now):
        with pytest.raises(InvalidError):
            official.create(session, actor=staff, story_id=story.id, name=" ", now=now)

    def test_are_at_most_as_many_as_a_page_shows(self, session, staff, story, now, monkeypatch):
        monkeypatch.setattr(official, "MOST_CHARACTERS", 1)
        make_official(session, staff=staff, story=story)
        with pytest.raises(FullStoryError):
            make_official(session, staff=staff, story=story)


def publish(session, actor, character, now):
    return official.publish(session, actor=actor, character_id=character.id, row_version=character.row_version, now=now)


class TestPublish:
    def test_is_of_what_was_seen(self, session, staff, story, now):
        character = make_official(session, staff=staff, story=story)
        with pytest.raises(StaleError):
            official.publish(session, actor=staff, character_id=character.id, row_version=99, now=now)

    def test_shows_others_the_version_and_not_later_edits(self, session, staff, creator, story, now):
        character = make_official(session, staff=staff, story=story)
        with pytest.raises(NotFoundError):
            queries.get_character(session, actor=creator, character_id=character.id)
        version = publish(session, staff, character, now)
        assert version.occasion is VersionOccasion.PUBLISHED
        assert queries.get_character(session, actor=creator, character_id=character.id).id == character.id
        with pytest.raises(NotFoundError):
            queries.get_draft(session, actor=creator, character_id=character.id)
        characters.update(
            session,
            actor=staff,
            character_id=character.id,
            row_version=character.row_version,
            changes={"name": "Renamed"},
            now=now,
        )
        listed = session.get_one(ListedCharacter, character.id)
        assert (listed.version_number, listed.name) == (1, version.name)

    def test_may_be_repeated_and_moves_on_with_the_draft(self, session, staff, story, now):
        character = make_official(session, staff=staff, story=story)
        first = publish(session, staff, character, now)
        assert publish(session, staff, character, now).id == first.id
        characters.update(
            session,
            actor=staff,
            character_id=character.id,
            row_version=character.row_version,
            changes={"tagline": "New"},
            now=now,
        )
        assert publish(session, staff, character, now).version_number == 2
        with pytest.raises(LiveCharacterError):
            characters.archive(session, actor=staff, character_id=character.id, now=now)

    def test_is_taken_back(self, session, staff, creator, story, now):
        character = make_official(session, staff=staff, story=story)
        publish(session, staff, character, now)
        for _ in range(2):
            official.unpublish(session, actor=staff, character_id=character.id)
        assert character.status is CharacterStatus.DRAFT
        with pytest.raises(NotFoundError):
            queries.get_character(session, actor=creator, character_id=character.id)

    def test_is_not_the_way_of_a_creators_character(self, session, creator, staff, now):
        character = make_character(session, owner=creator)
        with pytest.raises(NotFoundError):
            publish(session, staff, character, now)
        both = make_actor(session, RoleName.STAFF, RoleName.CREATOR)
        own = make_character(session, owner=both)
        with pytest.raises(NotOfficialError):
            publish(session, both, own, now)

    def test_restores_a_version_as_creators_do(self, session, staff, story, now):
        character = make_official(session, staff=staff, story=story)
        versions.make(session, actor=staff, character_id=character.id, now=now)
        name = character.name
        characters.update(
            session,
            actor=staff,
            character_id=character.id,
            row_version=character.row_version,
            changes={"name": "Other"},
            now=now,
        )
        versions.restore(
            session,
            actor=staff,
            character_id=character.id,
            version_number=1,
            row_version=character.row_version,
            now=now,
        )
        assert character.name == name


class TestMoveCharacter:
    @pytest.mark.parametrize(
        ("mover", "place", "order"),
        [(0, 2, "BCA"), (2, 0, "CAB"), (1, 1, "ABC"), (0, 99, "BCA"), (2, -5, "CAB")],
    )
    def test_puts_it_at_its_place(self, session, staff, story, mover, place, order):
        made = [make_official(session, staff=staff, story=story, name=name) for name in "ABC"]
        before = [(one.row_version, one.updated_at) for one in made]
        seen = stories.order_token(made)
        for _ in range(2):
            found = stories.move_character(
                session, actor=staff, story_id=story.id, character_id=made[mover].id, place=place, order_seen=seen
            )
            assert "".join(one.name for one in found) == order
        if order != "ABC":
            with pytest.raises(StaleError):
                stories.move_character(
                    session, actor=staff, story_id=story.id, character_id=found[0].id, place=2, order_seen=seen
                )
        assert [(one.row_version, one.updated_at) for one in made] == before

    def test_refuses_who_is_not_in_the_story(self, session, staff, creator, story):
        stranger = make_official(session, staff=staff, story=make_story(session, staff=staff))
        with pytest.raises(NotFoundError):
            stories.move_character(
                session, actor=staff, story_id=story.id, character_id=stranger.id, place=0, order_seen=""
            )
        with pytest.raises(ForbiddenError):
            stories.move_character(
                session, actor=creator, story_id=story.id, character_id=stranger.id, place=0, order_seen=""
            )


class TestTrash:
    def put(self, session, staff, story, now, **given):
        about = {"story_id": story.id, "row_version": story.row_version, "now": now} | given
        return stories.put_in_trash(session, actor=staff, **about)

    def test_says_who_is_in_it(self, session, staff, story, now):
        make_official(session, staff=staff, story=story, name="Captain Li")
        with pytest.raises(StoryInUseError, match=r"Captain Li \(B001C001\)"):
            self.put(session, staff, story, now)
        assert cast(session, story) == ["B001C001"]

    def test_takes_an_empty_one_out_of_every_list_and_gives_it_back(self, session, staff, creator, story, now):
        with pytest.raises(ForbiddenError):
            self.put(session, creator, story, now)
        with pytest.raises(StaleError):
            self.put(session, staff, story, now, row_version=7)
        for _ in range(2):
            self.put(session, staff, story, now)
        with pytest.raises(NotFoundError):
            queries.get_story(session, actor=staff, story_id=story.id)
        with pytest.raises(NotFoundError):
            make_official(session, staff=staff, story=story)
        # Its code is not given again.
        assert make_story(session, staff=staff).code == "B002"
        for _ in range(2):
            stories.restore(session, actor=staff, story_id=story.id)
        assert queries.get_story(session, actor=staff, story_id=story.id).code == "B001"

    def test_is_emptied_by_hand_and_after_thirty_days(self, session, staff, story, now):
        other = make_story(session, staff=staff)
        with pytest.raises(NotFoundError):
            stories.delete(session, actor=staff, story_id=story.id, row_version=story.row_version)
        self.put(session, staff, story, now)
        with pytest.raises(StaleError):
            stories.delete(session, actor=staff, story_id=story.id, row_version=1)
        stories.delete(session, actor=staff, story_id=story.id, row_version=story.row_version)
        self.put(session, staff, other, now)
        assert stories.empty_trash(session, now=now + STAYS_IN_TRASH) == 0
        assert stories.empty_trash(session, now=now + STAYS_IN_TRASH + timedelta(seconds=1)) == 1
        assert session.scalar(sa.select(sa.func.count()).select_from(Story)) == 0
