import sqlalchemy as sa

from studio.authoring import listed, tag_queries, versions
from studio.authoring.models import ListedCharacter, ListedTag
from tests.factories.authoring import make_character


def suggested(session, actor, text):
    return tag_queries.suggestions(session, actor=actor, text=text)


def list_it(session, actor, now, *tags):
    character = make_character(session, owner=actor, tags=list(tags))
    version = versions.make(session, actor=actor, character_id=character.id, now=now)
    listed.show(session, character_id=character.id, version_number=version.version_number)
    return character


def uses(session):
    return dict(session.execute(sa.select(ListedTag.folded, ListedTag.uses).where(ListedTag.uses > 0)).all())


class TestSuggestions:
    def test_are_ones_own_and_the_listed_ones_and_nobody_elses_drafts(self, session, creator, outsider, now):
        make_character(session, owner=creator, tags=["Wuxia", "wandering"])
        make_character(session, owner=outsider, tags=["wuthering", "secret"])
        list_it(session, outsider, now, "wuxing")
        assert suggested(session, creator, "wu") == ["Wuxia", "wuxing"]
        assert suggested(session, creator, "secret") == []

    def test_find_chinese_by_the_first_sign_and_whatever_the_width_or_case(self, session, creator, outsider, now):
        list_it(session, outsider, now, "武侠", "ＡＢＣ Song")
        assert suggested(session, creator, "武") == ["武侠"]
        assert suggested(session, creator, "abc s") == ["ＡＢＣ Song"]

    def test_begin_with_the_commonest_and_are_bounded(self, session, creator, outsider, now):
        for number in range(3):
            list_it(session, outsider, now, "often", f"rare {number}")
        list_it(session, outsider, now, *(f"tag {number}" for number in range(30)))
        assert suggested(session, creator, "")[0] == "often"
        assert len(suggested(session, creator, "t")) == tag_queries.MOST_SUGGESTIONS

    def test_take_signs_of_patterns_for_what_they_are(self, session, creator, outsider, now):
        list_it(session, outsider, now, "100% fluff")
        assert suggested(session, creator, "%") == []
        assert suggested(session, creator, "100%") == ["100% fluff"]
        assert suggested(session, creator, "_" * 500) == []

    def test_are_one_for_each_tag_whatever_its_case(self, session, creator, outsider, now):
        make_character(session, owner=creator, tags=["Magic"])
        list_it(session, outsider, now, "magic")
        assert suggested(session, creator, "mag") == ["Magic"]


class TestCounts:
    def test_follow_what_is_listed_changed_and_taken_down(self, session, creator, now):
        first = list_it(session, creator, now, "a", "b")
        list_it(session, creator, now, "A", "c")
        assert uses(session) == {"a": 2, "b": 1, "c": 1}
        first.tags = ["b", "d"]
        session.flush()
        version = versions.make(session, actor=creator, character_id=first.id, now=now)
        listed.show(session, character_id=first.id, version_number=version.version_number)
        listed.show(session, character_id=first.id, version_number=version.version_number)
        assert uses(session) == {"a": 1, "b": 1, "c": 1, "d": 1}
        listed.hide(session, character_id=first.id)
        assert uses(session) == {"a": 1, "c": 1}

    def test_follow_a_listing_whose_row_goes_with_something_else(self, session, creator, now):
        list_it(session, creator, now, "gone")
        session.execute(sa.delete(ListedCharacter))
        assert uses(session) == {}
