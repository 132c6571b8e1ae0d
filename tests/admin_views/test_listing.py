import html
import re

import pytest
import sqlalchemy as sa

from admin_views.listing import Asked, contains_folded
from studio.accounts.permissions import RoleName
from studio.authoring.models import Character
from tests.factories.accounts import make_actor, make_user
from tests.factories.authoring import make_character


@pytest.fixture
def found(session):
    """The names of the characters that a search finds."""

    def find(text: str) -> set[str]:
        criterion = contains_folded(text, search_text=Character.search_text, pairs=Character.bigrams)
        return set(session.scalars(sa.select(Character.name).where(criterion)))

    return find


class TestContainsFolded:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("馄饨", {"馄饨摊主"}),
            ("摊", {"馄饨摊主"}),
            ("馄饨摊", {"馄饨摊主"}),
            ("馄饨 摊主", {"馄饨摊主"}),
            ("饨馄", set()),
            ("馄饨 c++", set()),
            ("C+", {"Ada of C+ and 100%"}),
            ("0%", {"Ada of C+ and 100%"}),
            ("ada OF", {"Ada of C+ and 100%"}),
            ("ＡＤＡ", {"Ada of C+ and 100%"}),
            ("", {"馄饨摊主", "Ada of C+ and 100%"}),
        ],
    )
    def test_finds_short_words_and_long_ones_of_both_scripts(self, session, found, text, names):
        owner = make_actor(session, RoleName.CREATOR)
        make_character(session, owner=owner, name="馄饨摊主")
        make_character(session, owner=owner, name="Ada of C+ and 100%")
        session.flush()
        assert found(text) == names

    @pytest.mark.parametrize(
        ("text", "index"), [("馄饨", "bigrams"), ("馄饨摊主", "search_text"), ("beekeeper", "search_text")]
    )
    def test_looks_up_a_word_in_one_index_only(self, text, index):
        criterion = contains_folded(text, search_text=Character.search_text, pairs=Character.bigrams)
        (other,) = {"bigrams", "search_text"} - {index}
        assert f"characters.{index}" in str(criterion)
        assert f"characters.{other}" not in str(criterion)


class TestFetchPage:
    def test_plans_a_search_for_its_own_words(self, session, browser_of, statements):
        browser = browser_of(make_user(session, RoleName.STAFF))
        statements.clear()
        browser.get("/characters/?q=beekeeper")
        planned = next(place for place, text in enumerate(statements) if "force_custom_plan" in text)
        searched = next(place for place, text in enumerate(statements) if "search_text" in text)
        assert planned < searched


class TestLongLists:
    @pytest.fixture
    def many(self, session):
        session.execute(
            sa.text(
                "INSERT INTO characters (id, origin, name, owner_id, status)"
                " SELECT uuidv7(), 'creator', 'many ' || n, :owner, 'draft' FROM generate_series(1, 10050) n"
            ),
            {"owner": make_user(session, RoleName.CREATOR).id},
        )

    def counts(self, statements, browser, url):
        statements.clear()
        page = browser.get(url).text
        return page, sum("count(*)" in text for text in statements)

    def test_are_not_counted_again_while_paging(self, session, many, browser_of, statements):
        browser = browser_of(make_user(session, RoleName.STAFF))
        for url, expected in (("/characters/", 1), ("/characters/?sort=name&desc=0", 0)):
            page, counted = self.counts(statements, browser, url)
            assert "10,000+" in page
            assert counted == expected

    def test_are_counted_again_for_another_question_or_person(self, session, many, browser_of, statements):
        browser = browser_of(make_user(session, RoleName.STAFF))
        assert "10,000+" in browser.get("/characters/").text
        page, counted = self.counts(statements, browser, "/characters/?status=published")
        assert "10,000+" not in page
        assert counted == 1
        page, counted = self.counts(statements, browser_of(make_user(session, RoleName.CREATOR)), "/characters/")
        assert "10,000+" not in page
        assert counted == 1

    def test_are_counted_to_the_end_when_asked(self, session, many, browser_of):
        browser = browser_of(make_user(session, RoleName.STAFF))
        browser.get("/characters/")
        assert "10,050" in browser.get("/characters/?count=exact").text

    def test_are_believed_for_a_minute(self, monkeypatch):
        clock = iter([1_000.0, 1_059.0, 1_061.0])
        monkeypatch.setattr("admin_views.listing.time.monotonic", lambda: next(clock))
        asked = Asked()
        asked.add_long("key")
        assert asked.is_long("key")
        assert not asked.is_long("key")


class TestStatements:
    def test_are_put_together_once_for_a_person_and_a_question(self, monkeypatch):
        clock = iter([1_000.0, 1_000.0, 1_059.0, 1_061.0, 1_061.0])
        monkeypatch.setattr("admin_views.listing.time.monotonic", lambda: next(clock))
        made, asked = [], Asked()
        for _ in range(3):
            asked.statement("key", lambda: made.append("a statement") or sa.select(1))
        assert len(made) == 2

    def test_give_each_person_their_own_rows_and_each_page_its_own(self, session, browser_of):
        own, other = (make_user(session, RoleName.CREATOR) for _ in range(2))
        for person, name in ((own, "mine"), (other, "theirs")):
            for number in range(30):
                make_character(session, owner=person.actor, name=f"{name}-{number:02}")
        for person, name, foreign in ((own, "mine", "theirs"), (other, "theirs", "mine"), (own, "mine", "theirs")):
            browser = browser_of(person)
            seen, address = [], "/characters/?sort=name&desc=0"
            while address:
                page = browser.get(address).text
                assert foreign not in page
                seen += re.findall(rf'character-card-name">({name}-\d\d)<', page)
                found = re.search(r'href="(/characters/\?[^"]*after=[^"]*)"', page)
                address = html.unescape(found[1]) if found else None
            assert seen == [f"{name}-{number:02}" for number in range(30)]
