"""Search finds by words and by meaning, in Chinese and English, and only what the searcher may see."""

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring import characters, listed, versions
from studio.authoring.models import CharacterStatus, ListedCharacter
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.memory import search
from studio.memory.errors import EmptySearchError, NotEmbeddedError
from studio.memory.search import Mode
from tests.factories.accounts import make_actor


@pytest.fixture
def found(session, creator, provider):
    def run(text, mode=Mode.WORDS, actor=creator, using=provider):
        results = search.find(session, actor=actor, text=text, mode=mode, provider=using)
        return [hit.character.name for hit in results.hits]

    return run


class TestFindByWords:
    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("馄饨", "小满"),
            ("茶", "沈砚"),
            ("上海滩", "沈砚"),
            ("airship", "Juniper Vale"),
            ("UNLICENSED bees", "Juniper Vale"),
            ("odile", "Odile Marchetti"),
        ],
    )
    def test_finds_words_of_any_length_and_case(self, cast, found, query, name):
        assert found(query) == [name]

    def test_wants_every_word(self, cast, found):
        assert found("airship murders") == []

    def test_takes_signs_of_like_as_they_are(self, cast, found):
        assert found("100%") == []
        assert found("___") == []

    def test_puts_the_exact_name_first(self, session, creator, cast, found):
        from tests.factories.authoring import make_character

        make_character(session, owner=creator, name="A friend", description="She admires 小满 a lot.")
        assert found("小满") == ["小满", "A friend"]

    @pytest.mark.parametrize("query", ["", "   ", '""'])
    def test_refuses_an_empty_search(self, cast, found, query):
        with pytest.raises(EmptySearchError):
            found(query)


class TestFindByMeaning:
    def test_crosses_languages(self, cast, embed, found):
        embed()
        assert set(found("a private eye who catches killers", Mode.MEANING)[:2]) == {"Odile Marchetti", "沈砚"}
        assert found("会做饭的人", Mode.MEANING)[0] == "小满"

    def test_ranks_first_what_words_and_meaning_agree_on(self, cast, embed, found):
        embed()
        assert found("侦探", Mode.BOTH)[0] == "沈砚"

    def test_falls_back_to_words_and_says_so_while_the_provider_is_down(
        self, session, creator, cast, embed, provider, broken_provider
    ):
        embed()
        from studio.memory import embeddings

        embeddings.use_model(session, provider=broken_provider)
        embeddings.promote(session, provider=broken_provider)
        results = search.find(session, actor=creator, text="侦探", mode=Mode.BOTH, provider=broken_provider)
        assert [hit.character.name for hit in results.hits] == ["沈砚"]
        assert "does not answer" in results.note


class TestScope:
    @pytest.mark.parametrize("mode", list(Mode))
    def test_hides_others_drafts_from_a_creator(self, cast, embed, found, mode):
        embed()
        assert "Hidden Detective" not in found("detective", mode)

    @pytest.mark.parametrize("mode", list(Mode))
    def test_shows_everything_to_staff(self, cast, embed, found, staff, mode):
        embed()
        assert "Hidden Detective" in found("detective", mode, actor=staff)

    @pytest.fixture
    def listed_one(self, session, outsider, cast, now):
        """The foreign character, listed; its owner went on writing afterwards."""
        character = cast["foreign"]
        version = versions.make(session, actor=outsider, character_id=character.id, change_note="", now=now)
        character.status = CharacterStatus.PUBLISHED
        listed.show(session, character_id=character.id, version_number=version.version_number)
        characters.update(
            session,
            actor=outsider,
            character_id=character.id,
            row_version=character.row_version,
            changes={"name": "Secret Successor", "description": "A plan that nobody knows of: she becomes a baker."},
            now=now,
        )
        return character

    @pytest.mark.parametrize("mode", list(Mode))
    def test_shows_others_characters_as_their_live_version_says(self, listed_one, embed, found, mode):
        embed()
        names = found("detective whom nobody may see", mode)
        assert "Hidden Detective" in names
        assert "Secret Successor" not in names

    def test_does_not_tell_whether_anothers_draft_holds_a_word(self, listed_one, found, outsider):
        assert found("baker") == []
        assert found("baker", actor=outsider) == ["Secret Successor"]

    def test_finds_others_characters_by_the_words_of_their_listing(self, session, listed_one, found):
        number = session.get_one(ListedCharacter, listed_one.id).version_number
        listed.show(
            session, character_id=listed_one.id, version_number=number, title="Zephyr nights 星夜", tags=["quixotic"]
        )
        for words in ("zephyr nights", "星夜", "quixotic detective"):
            assert found(words) == ["Hidden Detective"]

    def test_forgets_what_is_not_listed_any_more(self, session, listed_one, found):
        listed.hide(session, character_id=listed_one.id)
        assert found("detective whom nobody may see") == []

    def test_refuses_who_may_not_search(self, session, found):
        with pytest.raises(ForbiddenError):
            found("x", actor=make_actor(session, RoleName.ADMIN))


class TestSimilar:
    def test_tells_the_nearest_first_without_the_character_itself(self, session, creator, cast, embed):
        embed()
        near = search.similar(session, actor=creator, character_id=cast["detective"].id)
        assert next(n.character.name for n in near) == "沈砚"
        assert cast["detective"].id not in {n.character.id for n in near}
        assert all(-1 <= n.similarity <= 1 for n in near)

    def test_hides_a_foreign_draft_both_as_question_and_as_answer(self, session, creator, cast, embed):
        embed()
        with pytest.raises(NotFoundError):
            search.similar(session, actor=creator, character_id=cast["foreign"].id)
        near = search.similar(session, actor=creator, character_id=cast["detective"].id)
        assert cast["foreign"].id not in {n.character.id for n in near}

    def test_says_that_the_job_has_not_run(self, session, creator, cast):
        with pytest.raises(NotEmbeddedError):
            search.similar(session, actor=creator, character_id=cast["detective"].id)
