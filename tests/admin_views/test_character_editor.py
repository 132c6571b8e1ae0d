"""The character's editor: its sections, what its buttons do without a script, and how much it asks of the database."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_views.authoring.editor_rows import ReplyRow, Rows, SceneRow
from studio.accounts.permissions import RoleName
from studio.authoring import characters, queries
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.models import Character, Lorebook, LorebookEntry
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.cards.reading import fields_found
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


def form_of(character, **changes):
    """What the editor sends for a character that has only a name."""
    return {
        "row_version": character.row_version,
        "name": character.name,
        "content_rating": "unrated",
        "greeting_first": "",
        "part": ["scenes", "context", "emotions"],
        **changes,
    }


def make_huge(session, owner, now):
    """A character with 400 entries, 70,000 characters of text, 14 greetings and 30 scenes."""
    character = make_character(session, owner=owner.actor, description="{{char}} 走。" * 7_000, tags=["a"])
    characters.update(
        session,
        actor=owner.actor,
        character_id=character.id,
        row_version=character.row_version,
        changes={"content_warnings": ["gore", "my own"], "emotional_range": {"joy": 0.5, "odd": 1}},
        greetings=Greetings("first" * 200, tuple(f"alternate {n} " * 40 for n in range(9)), ("all",) * 4),
        replies=[ReplyDraft(f"reply {n}") for n in range(40)],
        scenes=[SceneDraft(f"scene {n}", "stage", n * 3, "prompt" * 50, n) for n in range(30)],
        context={"memory_count": 5},
        now=now,
    )
    book = Lorebook(character_id=character.id)
    session.add(book)
    session.flush()
    session.add_all(
        LorebookEntry(lorebook_id=book.id, position=n, content="lore " * 40, is_constant=n % 10 == 0)
        for n in range(400)
    )
    session.flush()
    return character


class TestPage:
    def test_asks_no_more_of_the_database_for_a_huge_character_than_for_an_empty_one(
        self, session, browser, owner, statements, now
    ):
        empty = make_character(session, owner=owner.actor)
        huge = make_huge(session, owner, now)
        session.expire_all()
        asked = {}
        for character in (empty, huge):
            browser.get(f"/characters/{character.id}/edit")
            statements.clear()
            page = browser.get(f"/characters/{character.id}/edit")
            assert page.status_code == 200
            asked[character.id] = list(statements)
        assert len(asked[huge.id]) == len(asked[empty.id]), asked
        assert len(asked[huge.id]) <= 12, asked[huge.id]

    def test_stays_of_a_size_that_goes_over_a_line(self, session, browser, owner, now):
        huge = make_huge(session, owner, now)
        written = sum(
            len(text.encode())
            for text in (huge.description, "first" * 200, "alternate 1 " * 360, "prompt" * 1500, "reply 11" * 40)
        )
        size = len(browser.get(f"/characters/{huge.id}/edit").data)
        assert size < written + 320_000, size

    def test_shows_what_people_wrote_as_text(self, session, browser, owner, now):
        evil = "<script>alert(1)</script><img src='https://example.com/x.png'>"
        character = make_character(session, owner=owner.actor, name=evil, description=evil, tags=[evil[:90]])
        characters.update(
            session,
            actor=owner.actor,
            character_id=character.id,
            row_version=character.row_version,
            changes={"content_warnings": [evil[:90]], "emotional_range": {evil[:30]: 1}, "ai_model": evil},
            greetings=Greetings(evil),
            replies=[ReplyDraft(evil)],
            scenes=[SceneDraft(evil, evil, 1, evil + " {<b>}}")],
            now=now,
        )
        page = browser.get(f"/characters/{character.id}/edit").text
        assert "<script>alert" not in page
        assert "<img src='https" not in page

    def test_says_what_each_group_of_texts_takes_of_the_window(self, session, browser, owner, now):
        huge = make_huge(session, owner, now)
        page = browser.get(f"/characters/{huge.id}/edit").text
        assert 'class="meter box is-much"' in page
        lore = queries.constant_lore_tokens(session, character_id=huge.id)
        assert f'data-lore="{lore}"' in page
        assert re.search(r'data-bar="permanent"[^>]* width="100(\.0)?"', page)


class TestSaving:
    def test_keeps_scenes_settings_warnings_and_licence(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        sent = form_of(
            character,
            scene_title=["One", "", "Two"],
            scene_stage=["a", "", ""],
            scene_progress=["10", "0", "60"],
            scene_stage_prompt=["p", "", ""],
            scene_required_progress=["0", "0", "50"],
            context_window="30",
            emotion_weight="0,5",
            content_warnings=["gore", "violence", ""],
            other_warnings="spiders，heights",
            license="cc_by",
            ai_model="gpt-4o",
            context_tokens="128,000",
            is_context_aware="",
            is_learning_enabled=["y", ""],
            memory_retention_days="",
            **{"emotion:joy": "0.8", "emotion:anger": ""},
        )
        assert post(browser, f"/characters/{character.id}/edit", **sent).status_code == 303
        session.expire_all()
        saved = session.get_one(Character, character.id)
        assert queries.scenes_of(session, character_id=saved.id) == [
            SceneDraft("One", "a", 10, "p", 0),
            SceneDraft("Two", "", 60, "", 50),
        ]
        assert queries.context_of(session, character_id=saved.id) == ContextSettings(30, emotion_weight=0.5)
        assert saved.content_warnings == ["gore", "violence", "spiders", "heights"]
        assert (saved.license, saved.context_tokens, saved.emotional_range) == ("cc_by", 128_000, {"joy": 0.8})
        assert (saved.is_context_aware, saved.is_learning_enabled) == (False, True)

    def test_leaves_what_the_form_did_not_send(self, session, browser, owner, post, now):
        character = make_huge(session, owner, now)
        sent = {**form_of(character), "part": []}
        assert post(browser, f"/characters/{character.id}/edit", **sent).status_code == 303
        session.expire_all()
        saved = session.get_one(Character, character.id)
        assert len(queries.scenes_of(session, character_id=saved.id)) == 30
        assert queries.context_of(session, character_id=saved.id).memory_count == 5
        assert saved.content_warnings == ["gore", "my own"]
        assert saved.emotional_range == {"joy": 0.5, "odd": 1}
        assert len(saved.description) == 77_000

    @pytest.mark.parametrize(
        ("sent", "words"),
        [
            ({"scene_title": ["", "x"], "scene_progress": ["0", "101"]}, "progress is a whole number from 0 to 100"),
            ({"scene_title": "x", "scene_required_progress": "far"}, "required progress is a whole number"),
            ({"scene_title": " ", "scene_stage": "s"}, "A scene needs a title."),
            ({"context_window": "0"}, "This is a whole number from 1 to 1,000."),
            ({"context_tokens": "5"}, "from 512 to 10,000,000 tokens"),
            ({"memory_retention_days": "-1"}, "Memories are kept for 1 to 3,650"),
            ({"emotion:joy": "3"}, "The strength of an emotion is a number from 0 to 1"),
            ({"other_warnings": "x" * 101}, "A content warning has more than 100 characters."),
            ({"license": "mine"}, "Choose one of the licences."),
        ],
    )
    def test_refuses_with_a_sentence_in_place_and_loses_nothing(self, session, browser, owner, post, sent, words):
        character = make_character(session, owner=owner.actor)
        answer = post(
            browser, f"/characters/{character.id}/edit", **form_of(character, description="kept text", **sent)
        )
        assert answer.status_code == 422
        assert words in html.unescape(answer.text)
        assert "kept text" in answer.text

    def test_puts_a_rows_sentence_at_that_row_though_an_empty_one_stands_before_it(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        sent = form_of(character, reply_content=["", "b"], reply_weight=["1", "0"], reply_language=["", ""])
        page = post(browser, f"/characters/{character.id}/edit", **sent).text
        assert 'id="reply-1-errors"' in page
        assert 'id="reply-0-errors"' not in page

    def test_names_every_field_that_is_refused_with_a_link_to_it(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        sent = form_of(character, scene_title="", scene_stage="s", context_window="0", context_tokens="5")
        answer = post(browser, f"/characters/{character.id}/edit", **sent)
        page = html.unescape(answer.text)
        summary = page[page.index("form-errors") :].partition("</ul>")[0]
        assert 'tabindex="-1" autofocus' in summary
        for label, anchor in (
            ("Scene 1", "scene-0-title"),
            ("Messages looked back on", "context_window"),
            ("The model's window, in tokens", "context_tokens"),
        ):
            assert f'<a href="#{anchor}">{label}</a>' in summary
            assert f'id="{anchor}"' in page

    def test_says_what_was_left_out_since_it_was_empty(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        sent = form_of(character, scene_title="", reply_content=["", " "], greeting_alternate="")
        answer = post(browser, f"/characters/{character.id}/edit", **sent)
        page = browser.get(answer.location).text
        for said in (
            "1 empty scene was left out.",
            "2 empty replies were left out.",
            "1 empty greeting was left out.",
        ):
            assert said in page


class TestWhatAFormLeavesOut:
    def test_stays_as_it_is(self, session, browser, owner, post):
        character = make_character(
            session, owner=owner.actor, greetings=Greetings("Hello.", ("Again.",)), replies=[ReplyDraft("Hm?")]
        )
        short = {"row_version": character.row_version, "name": "Renamed", "content_rating": "unrated"}
        assert post(browser, f"/characters/{character.id}/edit", **short).status_code == 303
        session.expire_all()
        assert character.name == "Renamed"
        assert queries.greetings_of(session, character_id=character.id) == Greetings("Hello.", ("Again.",))
        assert len(queries.list_replies(session, character_id=character.id)) == 1
        whole = short | {"row_version": character.row_version, "greeting_first": "", "part": ["replies"]}
        assert post(browser, f"/characters/{character.id}/edit", **whole).status_code == 303
        session.expire_all()
        assert queries.greetings_of(session, character_id=character.id) == Greetings()
        assert queries.list_replies(session, character_id=character.id) == []


class TestButtonsWithoutAScript:
    def press(self, post, browser, character, wish, **sent):
        answer = post(browser, f"/characters/{character.id}/edit", **form_of(character, do=wish, **sent))
        assert answer.status_code == 200
        return html.unescape(answer.text)

    def test_put_a_macro_right_and_save_nothing(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor, description="old")
        text = "{char} greets {{uset}} and {char}"
        page = self.press(post, browser, character, "add:replies", description=text, greeting_alternate=text)
        assert "{char} has only one brace and stays as it is written. ×2" in page
        assert "Did you mean {{user}}?" in page
        page = self.press(post, browser, character, "fix:description:{char}", description=text)
        assert "{{char}} greets {{uset}} and {{char}}</textarea>" in page
        page = self.press(post, browser, character, "fix:greeting-alternate-0:{{uset}}", greeting_alternate=text)
        assert "{char} greets {{user}} and {char}</textarea>" in page
        session.expire_all()
        assert session.get_one(Character, character.id).description == "old"

    @pytest.mark.parametrize("wish", ["fix:nothing:{char}", "fix:scene-9-prompt:{char}", "fix:description:", "fix:"])
    def test_take_any_wish(self, session, browser, owner, post, wish):
        character = make_character(session, owner=owner.actor)
        answer = post(browser, f"/characters/{character.id}/edit", **form_of(character, do=wish))
        assert answer.status_code in {200, 303}

    def test_show_every_text_as_a_chat_would(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor, name="Long Name")
        page = self.press(
            post,
            browser,
            character,
            "preview",
            nickname="Nick",
            preview_user="Mei",
            greeting_first="{{char}} sees {{user}}.{{// hush}} <b>bold</b>",
            scene_title="x",
            scene_stage_prompt="to {{user}}",
        )
        assert "Nick sees Mei. <b>bold</b>" in page
        assert "to Mei" in page

    def test_say_which_reply_would_be_said(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        page = self.press(
            post,
            browser,
            character,
            "draw",
            reply_content=["", "Hm?", "嗯？", "…"],
            reply_weight=["1", "3", "5", "1"],
            reply_language=["", "en", "zh-Hans", ""],
            draw_language="en",
            draw_tries="50",
        )
        chances = re.findall(r'<th scope="row">(\d)\. [^<]*</th><td>(\d+)%', page)
        assert chances == [("2", "75"), ("3", "0"), ("4", "25")]
        assert re.search(r"Reply [24] would be said", page)

    def test_duplicate_and_arrange_scenes(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        page = self.press(
            post,
            browser,
            character,
            "copy:scenes:0",
            scene_title=["One", "Two"],
            scene_stage=["a", "b"],
            scene_progress=["5", "odd"],
        )
        assert re.findall(r'name="scene_title" value="(\w+)"', page) == ["One", "One", "Two"]
        assert re.findall(r'name="scene_progress" value="(\w+)"', page) == ["5", "5", "odd"]


class TestRows:
    @given(
        st.lists(st.text(max_size=3), max_size=6),
        st.lists(st.tuples(st.sampled_from(["up", "down", "copy", "drop", "add"]), st.integers(0, 7)), max_size=12),
    )
    def test_lose_and_make_up_nothing_by_being_moved(self, texts, steps):
        rows = Rows(alternate=list(texts))
        for verb, number in steps:
            before = list(rows.alternate)
            assert rows.step(f"{verb}:alternate:{number}" if verb != "add" else "add:alternate")
            if verb in {"up", "down"}:
                assert sorted(rows.alternate) == sorted(before)
            elif verb == "add":
                assert rows.alternate == [*before, ""]
            elif number < len(before):
                assert len(rows.alternate) == len(before) + (1 if verb == "copy" else -1)

    def test_copy_a_row_that_then_stands_for_itself(self):
        rows = Rows(replies=[ReplyRow("a", "2", "en")], scenes=[SceneRow("x", progress="7")])
        rows.step("copy:replies:0")
        rows.step("copy:scenes:0")
        rows.replies[1].content = "b"
        rows.scenes[1].title = "y"
        assert [row.content for row in rows.replies] == ["a", "b"]
        assert [(row.title, row.progress) for row in rows.scenes] == [("x", "7"), ("y", "7")]

    def test_find_every_text_by_its_id(self):
        rows = Rows("f", ["a"], ["g"], [ReplyRow("r")], [SceneRow("t", stage_prompt="p")])
        assert rows.texts() == {
            "greeting-first": "f",
            "greeting-alternate-0": "a",
            "greeting-group_only-0": "g",
            "reply-0": "r",
            "scene-0-prompt": "p",
        }
        for id_ in (*rows.texts(), "greeting-alternate-9", "reply-x", "odd"):
            rows.put(id_, "new")
        assert set(rows.texts().values()) == {"new"}


class TestCheck:
    def test_says_what_is_wrong_and_how_a_chat_shows_it(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        answer = post(
            browser,
            f"/characters/{character.id}/check",
            text="{char} {{uset}} {{user}} {{roll:6}}",
            char="Tally",
            user="",
            seed="3",
        )
        assert [(note["found"], note["fix"], note["code"]) for note in answer.json["notes"]] == [
            ("{char}", "{{char}}", "single_brace"),
            ("{{uset}}", "{{user}}", "unknown_macro"),
        ]
        assert re.fullmatch(r"\{char\} \{\{uset\}\} you [1-6]", answer.json["rendered"])

    def test_renders_only_where_asked(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        assert "rendered" not in post(browser, f"/characters/{character.id}/check", text="x").json

    def test_is_not_found_by_outsiders(self, session, browser_of, owner, post):
        character = make_character(session, owner=owner.actor)
        for role in (RoleName.CREATOR, RoleName.STAFF):
            answer = post(browser_of(make_user(session, role)), f"/characters/{character.id}/check", text="x")
            assert answer.status_code in {403, 404}


class TestDetails:
    def test_name_warnings_and_licence_in_words(self, session, browser, owner):
        character = make_character(
            session, owner=owner.actor, content_warnings=["self_harm", "spiders"], license="cc_by"
        )
        page = browser.get(f"/characters/{character.id}").text
        assert "self-harm, spiders" in page
        assert "CC BY 4.0" in page

    def test_count_every_text_as_it_was_written(self, session, browser, owner):
        text = "{{char}} waves at {{user}}." + "x" * 1_000
        character = make_character(session, owner=owner.actor, name="Al", greetings=Greetings(text), description=text)
        page = browser.get(f"/characters/{character.id}").text
        assert page.count(f"{len(text):,} characters ·") == 2
        assert f"{len(text):,} characters" in browser.get(f"/characters/{character.id}/edit").text
        found = fields_found({"data": {"first_mes": "one\r\ntwo"}})
        assert found[0].length == len("one\ntwo")


class TestTagSuggestions:
    def test_are_given_as_json(self, session, browser, owner):
        make_character(session, owner=owner.actor, tags=["武侠", "wuxia"])
        assert browser.get("/characters/tags?q=武").json == {"items": [{"value": "武侠", "text": "武侠"}]}
