"""The screens of lorebooks: the grid, an entry, many at once, the test box, files in and out."""

import re
import uuid
from io import BytesIO

import pytest
import sqlalchemy as sa

from admin_views.lorebooks.files import marked
from studio.accounts.permissions import RoleName
from studio.authoring import queries
from studio.authoring.lorebook_rules import fingerprint, grid_token
from studio.authoring.models import LorebookEntry
from studio.authoring.rules import Greetings
from studio.cards import limits, lore_formats
from studio.cards.lore_files import read_lorebook, write_lorebook
from studio.cards.lore_matching import Message
from tests.admin_views.conftest import token_of
from tests.cards.lore import book as small_book
from tests.cards.lore import entry as small_entry
from tests.cards.lore import look
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.lorebooks import entry_document, make_lorebook


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


@pytest.fixture
def lorebook(session, owner):
    return make_lorebook(session, owner=owner.actor, entries=3, name="The valley")


def address(lorebook, path=""):
    return f"/lorebooks/{lorebook.character_id}{path}"


def entries_of(session, lorebook):
    session.expire_all()
    query = sa.select(LorebookEntry).where(LorebookEntry.lorebook_id == lorebook.id).order_by(LorebookEntry.position)
    return list(session.scalars(query))


def form_of(entry, **changes):
    """What the form of an entry sends."""
    return {
        "base": fingerprint(entry.document),
        "name": entry.name,
        "keys": "\n".join(entry.keys),
        "content": entry.content,
        "logic": "",
        "secondary_keys": "",
        "is_enabled": "y",
        "insertion_order": "0",
        "priority": "",
        "place": "before_char",
        "depth": "4",
        "role": "system",
        "is_exact": "",
        "is_whole": "",
        "chance": "100",
        "scan_depth": "",
        **changes,
    }


class TestGrid:
    def test_shows_names_keys_order_place_state_and_tokens(self, browser, lorebook):
        page = browser.get(address(lorebook)).text
        for shown in ("The valley", "Entry 1", "key1", "before the definition", "3 entries"):
            assert shown in page

    def test_offers_no_new_entry_where_there_is_no_room(self, browser, lorebook, monkeypatch):
        assert f"{lorebook.character_id}/entries/new" in browser.get(address(lorebook)).text
        monkeypatch.setattr(limits, "ENTRIES", 3)
        page = browser.get(address(lorebook)).text
        assert f"{lorebook.character_id}/entries/new" not in page
        assert "The lorebook is full: it holds 3 entries at most." in page

    def test_offers_no_file_of_a_book_that_is_not_there(self, session, browser, owner, lorebook):
        bare = make_character(session, owner=owner.actor)
        for row, offers in ((bare.id, False), (lorebook.character_id, True)):
            assert (f"/lorebooks/{row}/export" in browser.get(f"/lorebooks/{row}/settings").text) is offers

    def test_teaches_where_there_is_nothing(self, session, browser, owner):
        character = make_character(session, owner=owner.actor)
        page = browser.get(f"/lorebooks/{character.id}").text
        assert "No entries yet" in page
        assert "Write the first entry" in page

    @pytest.mark.parametrize("path", ["", "?q=key&state=on&order=tokens", "/test", "/settings", "/import"])
    def test_takes_no_more_statements_for_a_full_book(self, session, browser, owner, statements, path):
        counts = []
        for size in (1, 400):
            character = make_character(session, owner=owner.actor)
            book = make_lorebook(session, owner=owner.actor, character=character, entries=size)
            session.flush()
            session.expire_all()
            browser.get(address(book, path))
            statements.clear()
            assert browser.get(address(book, path)).status_code == 200
            counts.append(len(statements))
        assert counts[0] == counts[1] <= 8

    def test_pages_reach_every_entry_and_htmx_gets_rows_alone(self, session, browser, owner):
        book = make_lorebook(session, owner=owner.actor, entries=230)
        seen, url = [], address(book)
        while url:
            page = browser.get(url, headers={"HX-Request": "true"} if seen else {}).text
            assert ("<html" in page) == (not seen)
            seen += re.findall(r'id="entry-([0-9a-f-]+)"', page)
            more = re.search(r'hx-get="([^"]+)"[^>]*>Further entries', page)
            url = more[1].replace("&amp;", "&") if more else None
        assert len(seen) == len(set(seen)) == 230

    def test_a_page_of_a_hundred_entries_stays_small(self, session, browser, owner):
        book = make_lorebook(session, owner=owner.actor, entries=400)
        assert len(browser.get(address(book)).data) < 220_000

    def test_shows_texts_as_text(self, session, browser, owner):
        evil = "<script>alert(1)</script><img src=//x>"
        book = make_lorebook(
            session, owner=owner.actor, entries=[entry_document(0, name=evil, keys=[evil], content=evil)]
        )
        (entry,) = entries_of(session, book)
        for path in ("", f"/entries/{entry.id}"):
            assert "<script>alert" not in browser.get(address(book, path)).text

    def test_switches_one_flag_with_and_without_htmx(self, session, browser, lorebook, post):
        entry = entries_of(session, lorebook)[0]
        url = address(lorebook, f"/entries/{entry.id}/flag?flag=is_enabled&value=0&base={grid_token(entry)}")
        answer = post(browser, url, headers={"HX-Request": "true"})
        assert f'id="entry-{entry.id}"' in answer.text
        session.expire_all()
        assert f'name="row_version" value="{lorebook.row_version}"' in answer.text
        entry = entries_of(session, lorebook)[0]
        assert entry.is_enabled is False
        other = address(lorebook, f"/entries/{entry.id}/flag?flag=is_constant&value=1&base={grid_token(entry)}")
        assert other.replace("&", "&amp;") in answer.text
        assert post(browser, other).status_code == 303
        assert entries_of(session, lorebook)[0].is_constant is True


class TestEntry:
    def test_is_written_and_found_again(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        book = make_lorebook(session, owner=owner.actor, character=character, entries=0)
        given = {"name": "N", "keys": "龙\ndragon, big\n", "content": "大", "place": "at_depth", "depth": "2"}
        new = entry_document(0)
        answer = post(browser, address(book, "/entries/new"), **form_of(_Row(new), **given, insertion_order="1.5"))
        assert answer.status_code == 303
        (entry,) = entries_of(session, book)
        assert (entry.keys, entry.place, entry.insertion_order) == (["龙", "dragon, big"], "at_depth:2:system", 1.5)
        assert "dragon, big" in browser.get(answer.location).text

    def test_says_beside_each_field_what_is_wrong_and_keeps_what_was_typed(self, session, browser, lorebook, post):
        entry = entries_of(session, lorebook)[0]
        answer = post(
            browser,
            address(lorebook, f"/entries/{entry.id}"),
            **form_of(entry, chance="often", insertion_order="", content="typed"),
        )
        assert answer.status_code == 422
        for shown in ("The chance is a whole number", "Write a number.", "typed", 'value="often"'):
            assert shown in answer.text
        assert entries_of(session, lorebook)[0].content != "typed"

    def test_a_save_that_came_second_meets_the_merge_of_what_both_changed(self, session, browser, lorebook, post):
        entry = entries_of(session, lorebook)[0]
        opened = lorebook.row_version
        url = address(lorebook, f"/entries/{entry.id}")
        stale = form_of(entry, content="mine", keys="key0\ntopic 0\nmine", row_version=opened)
        post(browser, url, **form_of(entry, content="theirs", name="Renamed", row_version=opened))
        page = post(browser, url, **stale)
        assert page.status_code == 409
        for shown in (
            "Where you both started",
            "What there is to know of 0.",
            "theirs",
            "mine",
            "Taken over from the other save",
        ):
            assert shown in page.text
        number = re.search(r'name="merge_version" value="(\d+)"', page.text)[1]
        assert entries_of(session, lorebook)[0].content == "theirs"
        chosen = {"merge_version": number, "choice.content": "mine"}
        # Another entry that is saved meanwhile asks nobody to choose again.
        other = entries_of(session, lorebook)[1]
        post(browser, address(lorebook, f"/entries/{other.id}"), **form_of(other, content="x", row_version=opened))
        assert post(browser, url, **stale, **chosen).status_code == 303
        entry = entries_of(session, lorebook)[0]
        assert (entry.content, entry.name, entry.keys) == ("mine", "Renamed", ["key0", "topic 0", "mine"])

    def test_that_is_gone_meanwhile_leaves_the_text_in_a_form_for_a_new_one(self, session, browser, lorebook, post):
        entry = entries_of(session, lorebook)[0]
        sent = form_of(entry, content="hours of work", row_version=lorebook.row_version)
        url = address(lorebook, f"/entries/{entry.id}")
        post(browser, address(lorebook, "/many"), row_version=lorebook.row_version, entry=str(entry.id), delete="1")
        page = post(browser, url, **sent)
        assert page.status_code == 409
        assert "hours of work</textarea>" in page.text
        assert f'action="{address(lorebook, "/entries/new")}"' in page.text
        assert post(browser, address(lorebook, "/entries/new"), **sent).status_code == 303
        assert entries_of(session, lorebook)[-1].content == "hours of work"

    def test_says_how_keys_are_read(self, browser, lorebook, post):
        answer = post(browser, address(lorebook, "/check"), keys="/a+/i\n/(?=b)/\nplain", may_be_pattern="y")
        assert "This is read as a pattern." in answer.text
        assert "looks ahead or behind" in answer.text
        assert "plain" not in answer.text
        assert "plain words" in post(browser, address(lorebook, "/check"), keys="/a+/i").text

    def test_is_copied_moved_and_deleted(self, session, browser, lorebook, post):
        first = entries_of(session, lorebook)[0]
        assert post(browser, address(lorebook, f"/entries/{first.id}/duplicate")).status_code == 303
        assert post(browser, address(lorebook, f"/entries/{first.id}/move"), way="last").status_code == 409
        session.expire_all()
        moved = {"way": "last", "row_version": lorebook.row_version}
        assert post(browser, address(lorebook, f"/entries/{first.id}/move"), **moved).status_code == 303
        assert [entry.name for entry in entries_of(session, lorebook)] == ["Entry 0", "Entry 1", "Entry 2", "Entry 0"]


class TestDraftsOfAnEntry:
    def keep(self, browser, owner, entry, client, **changes):
        body = {
            "person": str(owner.id),
            "client": client,
            "sequence": 1,
            "fields": [[name, value] for name, value in form_of(entry, **changes).items()],
        }
        return browser.post(f"/lorebooks/{entry.id}/autosave", json=body, headers={"X-CSRFToken": token_of(browser)})

    def test_what_was_typed_is_offered_gone_on_with_and_gone_after_the_save(
        self, session, browser, owner, lorebook, post
    ):
        entry = entries_of(session, lorebook)[0]
        client = str(uuid.uuid4())
        assert self.keep(browser, owner, entry, client, content="typed and not saved").status_code == 200
        page = browser.get(address(lorebook, f"/entries/{entry.id}")).text
        assert "You have unsaved work" in page
        typed = browser.get(address(lorebook, f"/entries/{entry.id}?draft={client}")).text
        assert "typed and not saved</textarea>" in typed
        sent = form_of(entry, content="typed and not saved") | {"autosave_continues": client}
        assert post(browser, address(lorebook, f"/entries/{entry.id}"), **sent).status_code == 303
        assert "You have unsaved work" not in browser.get(address(lorebook, f"/entries/{entry.id}")).text

    @pytest.mark.parametrize(("part", "path"), [("new", "/entries/new"), ("settings", "/settings")])
    def test_a_new_entry_and_the_settings_keep_themselves_too(
        self, session, browser, owner, lorebook, post, part, path
    ):
        client = str(uuid.uuid4())
        typed = {"name": "typed and not saved", "recursive_scanning": "", "insertion_order": "1"}
        typed |= {"row_version": str(lorebook.row_version), "place": "before_char", "role": "system"}
        body = {
            "person": str(owner.id),
            "client": client,
            "sequence": 1,
            "fields": [list(pair) for pair in typed.items()],
        }
        kept = f"/lorebooks/{lorebook.character_id}/autosave?part={part}"
        assert browser.post(kept, json=body, headers={"X-CSRFToken": token_of(browser)}).json["kept"] == "kept"
        page = browser.get(address(lorebook, path)).text
        assert "You have unsaved work" in page
        assert "typed and not saved" in page
        assert 'value="typed and not saved"' in browser.get(address(lorebook, f"{path}?draft={client}")).text
        other = {"depth": "4", "chance": "100"} if part == "new" else {}
        other |= dict.fromkeys(("logic", "is_exact", "is_whole", "scan_depth", "priority"), "")
        assert post(browser, address(lorebook, path), **typed, **other, autosave_client=client).status_code == 303
        assert "You have unsaved work" not in browser.get(address(lorebook, path)).text

    def test_nobody_keeps_drafts_of_anothers_entry(self, session, browser_of, lorebook):
        entry = entries_of(session, lorebook)[0]
        other = make_user(session, RoleName.CREATOR)
        answer = self.keep(browser_of(other), other, entry, str(uuid.uuid4()))
        assert answer.status_code == 404


class _Row:
    def __init__(self, document) -> None:
        self.document, self.name, self.keys, self.content = document, "", [], ""


class TestManyAtOnce:
    def test_all_that_match_are_changed_told_and_taken_back(self, session, browser, lorebook, post):
        answer = post(
            browser,
            address(lorebook, "/many"),
            row_version=lorebook.row_version,
            all="1",
            act="disable",
            q="key1",
            state="",
            order="book",
        )
        assert answer.status_code == 303
        assert "q=key1" in answer.location
        assert [entry.is_enabled for entry in entries_of(session, lorebook)] == [True, False, True]
        page = browser.get(address(lorebook)).text
        assert "1 entry is changed." in page
        state = re.search(r"/states/([0-9a-f-]+)", page)[1]
        post(browser, address(lorebook, f"/states/{state}"), row_version=lorebook.row_version)
        assert all(entry.is_enabled for entry in entries_of(session, lorebook))

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"act": "enable", "delete": "1"}, "Choose some entries first."),
            ({"act": "nonsense", "all": "1"}, "Choose what to do"),
            ({"act": "add_key", "all": "1", "key": ""}, "Write the key first."),
            ({"act": "disable", "all": "1", "row_version": 0}, "Someone changed this lorebook"),
        ],
    )
    def test_says_why_nothing_was_done(self, session, browser, lorebook, post, given, told):
        post(browser, address(lorebook, "/many"), **{"row_version": lorebook.row_version, **given})
        assert told in browser.get(address(lorebook)).text
        assert all(entry.is_enabled for entry in entries_of(session, lorebook))


class TestSettings:
    def test_are_saved_and_a_stale_save_shows_both(self, session, browser, lorebook, post):
        version = lorebook.row_version
        given = {"name": "N", "description": "", "scan_depth": "4", "token_budget": "", "recursive_scanning": "1"}
        assert post(browser, address(lorebook, "/settings"), row_version=version, **given).status_code == 303
        session.expire_all()
        assert (lorebook.scan_depth, lorebook.is_recursive, lorebook.token_budget) == (4, True, None)
        mine = given | {"row_version": version, "scan_depth": "9", "name": "The valley", "token_budget": "500"}
        answer = post(browser, address(lorebook, "/settings"), **mine)
        assert answer.status_code == 409
        number = re.search(r'name="merge_version" value="(\d+)"', answer.text)[1]
        choice = {"merge_version": number, "choice.scan_depth": "mine"}
        assert post(browser, address(lorebook, "/settings"), **mine, **choice).status_code == 303
        session.expire_all()
        assert (lorebook.name, lorebook.scan_depth, lorebook.token_budget) == ("N", 9, 500)
        wrong = post(browser, address(lorebook, "/settings"), row_version=version, **given | {"scan_depth": "far"})
        assert "The scan depth is a whole number" in wrong.text


class TestBox:
    def test_tells_what_fires_why_and_what_nearly_did(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor, greetings=Greetings(first="{{char}} sees key7."))
        entries = [entry_document(number) for number in range(350)]
        entries[3] = entry_document(3, is_enabled=False)
        entries[4] = entry_document(4, logic="and_any", secondary_keys=["nothing"])
        entries[5] = entry_document(5, content="long " * 3000)
        book = make_lorebook(
            session, owner=owner.actor, character=character, entries=entries, token_budget=100, scan_depth=5
        )
        answer = post(
            browser, address(book, "/test"), chat="User: key2, key3, key4 and key5\nChar: topic 7", greeting="0"
        )
        assert answer.status_code == 200
        told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))
        assert "2 of 350 entries come into the prompt" in told
        for shown in (
            "“key2” in message 2",
            "it is off",
            "its secondary keys do not agree",
            "larger than the whole budget",
            "of 100 tokens",
        ):
            assert shown in told
        assert '<mark title="Entry 2">key2</mark>' in answer.text
        assert "sees <mark" in answer.text

    def test_saves_nothing_and_complains_of_numbers(self, session, browser, lorebook, post):
        version = lorebook.row_version
        answer = post(browser, address(lorebook, "/test"), chat="key1", scan_depth="deep")
        assert answer.status_code == 422
        assert "The scan depth is a whole number" in answer.text
        session.expire_all()
        assert lorebook.row_version == version

    def test_takes_few_statements_whatever_the_size(self, session, browser, owner, statements):
        book = make_lorebook(session, owner=owner.actor, entries=400)
        token = token_of(browser)
        session.expire_all()
        statements.clear()
        answer = browser.post(address(book, "/test"), data={"csrf_token": token, "chat": "key1 key2"})
        assert answer.status_code == 200
        assert len(statements) <= 8

    def test_marks_overlapping_keys_once_and_shows_the_rest_as_text(self):
        a_book = small_book(small_entry(["dragon"]), small_entry(["gon <b>"]))
        messages = [Message("user", "a dragon <b>")]
        (one,) = marked(messages, look(a_book, "a dragon <b>"), ["A", "B"])
        assert one.text == 'a <mark title="A, B">dragon &lt;b&gt;</mark>'


class TestFiles:
    @pytest.mark.parametrize("kind", lore_formats.BY_KEY)
    def test_go_out_in_six_forms(self, session, browser, lorebook, kind):
        assert kind.split("_")[0] in browser.get(address(lorebook, "/export")).text.lower()
        answer = browser.get(address(lorebook, f"/export/{kind}"))
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert [one["content"] for one in read_lorebook(answer.data).book["entries"]] == [
            entry.content for entry in entries_of(session, lorebook)
        ]
        assert browser.get(address(lorebook, "/export/xml")).status_code == 404

    @pytest.mark.parametrize("kind", lore_formats.BY_KEY)
    def test_come_in_after_a_dry_run(self, session, browser, lorebook, kind):
        data = write_lorebook({"entries": [entry_document(1), entry_document(8)], "extensions": {}}, to=kind).data
        token = token_of(browser)
        answer = browser.post(
            address(lorebook, "/import"), data={"csrf_token": token, "way": "append", "file": (BytesIO(data), "b.json")}
        )
        assert answer.status_code == 200
        assert "What this would do" in answer.text
        assert len(entries_of(session, lorebook)) == 3
        kept = re.search(r"<textarea name=\"text\"[^>]*>(.*?)</textarea>", answer.text, re.DOTALL)[1]
        import html

        sent = {"way": "append", "do": "bring", "text": html.unescape(kept), "row_version": lorebook.row_version}
        done = browser.post(address(lorebook, "/import"), data={"csrf_token": token, **sent})
        assert done.status_code == 303
        assert [entry.name for entry in entries_of(session, lorebook)] == ["Entry 0", "Entry 1", "Entry 2", "Entry 8"]
        assert "Undo" in browser.get(address(lorebook)).text

    def test_replacing_says_what_goes(self, session, browser, lorebook, post):
        data = write_lorebook({"entries": [entry_document(8)], "extensions": {}}, to="risu").data.decode()
        answer = post(browser, address(lorebook, "/import"), way="replace", text=data)
        assert "3 entries of the present book go." in answer.text
        turned = post(browser, address(lorebook, "/import"), way="replace", turn="1", text=data)
        assert "of the present book" not in turned.text

    @pytest.mark.parametrize("text", ["", "no json", "[]", '{"a": 1}'])
    def test_other_texts_are_refused_with_a_sentence_and_kept(self, browser, lorebook, post, text):
        answer = post(browser, address(lorebook, "/import"), way="append", text=text)
        assert answer.status_code in {400, 415, 422}
        assert 'role="alert"' in answer.text


class TestWho:
    def test_outsiders_find_nothing_moderators_read(self, session, browser_of, lorebook, post):
        (entry, *_) = entries_of(session, lorebook)
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        for path in (
            "",
            "/test",
            "/settings",
            "/export",
            "/export/risu",
            "/import",
            "/entries/new",
            f"/entries/{entry.id}",
        ):
            assert outsider.get(address(lorebook, path)).status_code == 404
        moderator = browser_of(make_user(session, RoleName.MODERATOR))
        page = moderator.get(address(lorebook))
        assert page.status_code == 200
        assert "Entry 1" in page.text
        assert "lore-switch" not in page.text
        assert post(moderator, address(lorebook, "/test"), chat="key1").status_code == 200
        assert moderator.get(address(lorebook, f"/entries/{entry.id}")).status_code == 403

    def test_an_archived_characters_book_is_only_read(self, session, browser, lorebook, post):
        post(browser, f"/characters/{lorebook.character_id}/archive")
        assert "lore-switch" not in browser.get(address(lorebook)).text
        (entry, *_) = entries_of(session, lorebook)
        assert (
            post(browser, address(lorebook, f"/entries/{entry.id}"), **form_of(entry, content="x")).status_code == 409
        )

    def test_the_language_is_the_readers(self, session, browser_of):
        person = make_user(session, RoleName.CREATOR, locale="zh_Hans")
        book = make_lorebook(session, owner=person.actor)
        reader = browser_of(person)
        for path in ("", "/test", "/settings", "/export", "/import", "/entries/new"):
            answer = reader.get(address(book, path))
            assert answer.status_code == 200
            assert 'lang="zh-Hans"' in answer.text
        assert queries.find_lorebook(session, character_id=book.character_id) is not None
