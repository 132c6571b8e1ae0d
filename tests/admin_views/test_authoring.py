import re
import struct
import uuid
from io import BytesIO

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import characters, queries
from studio.authoring.models import Character, CharacterStatus
from studio.authoring.rules import Greetings, ReplyDraft
from studio.cards.reader import read_card
from studio.market.models import CharacterPublication, FieldComment, ReviewDecision
from studio.market.review import decisions
from studio.market.review import queries as review_queries
from studio.market.review.rules import AT_ONCE, Reason
from studio.providers import storage as storages
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_user
from tests.factories.authoring import card_file, import_character, make_character
from tests.factories.market import make_claimed_case, make_live_listing
from tests.factories.media import picture


@pytest.fixture
def storage(settings):
    return storages.from_settings(settings)


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


def form_of(character, **changes):
    """All that the editor sends for a character that has only a name."""
    return {
        "row_version": character.row_version,
        "name": character.name,
        "content_rating": "unrated",
        "greeting_first": "",
        **changes,
    }


class TestList:
    def test_shows_a_creator_their_own_and_nobody_elses(self, session, browser, owner):
        make_character(session, owner=owner.actor, name="Mine here")
        other = make_user(session, RoleName.CREATOR)
        make_character(session, owner=other.actor, name="Theirs there", status=CharacterStatus.PUBLISHED)
        page = browser.get("/characters/").text
        assert "Mine here" in page
        assert "Theirs there" not in page

    def test_shows_moderators_all_with_their_creators(self, session, browser_of, owner):
        make_character(session, owner=owner.actor, name="Mine here")
        page = browser_of(make_user(session, RoleName.MODERATOR)).get("/characters/?layout=table").text
        assert "Mine here" in page
        assert owner.name in page

    @pytest.mark.parametrize("words", ["求败", "swordsman", "独孤", "WUXIA"])
    def test_finds_by_words_of_both_scripts(self, session, browser, owner, storage, words):
        import_character(session, actor=owner.actor, storage=storage)
        make_character(session, owner=owner.actor, name="Somebody else")
        page = browser.get("/characters/", query_string={"q": words}).text
        assert "独孤求败" in page
        assert "Somebody else" not in page

    def test_filters_by_status_rating_and_tag(self, session, browser, owner):
        make_character(session, owner=owner.actor, name="Tagged", tags=["武侠"], content_rating="teen")
        make_character(session, owner=owner.actor, name="Plain", status=CharacterStatus.PUBLISHED)
        for query in ({"status": "draft"}, {"rating": "teen"}, {"tag": "武侠"}):
            page = browser.get("/characters/", query_string=query).text
            assert "Tagged" in page
            assert "Plain" not in page

    @pytest.mark.parametrize("layout", ["cards", "table"])
    def test_stays_small_and_asks_little_of_the_database(self, session, browser, owner, statements, layout):
        for number in range(30):
            make_character(session, owner=owner.actor, name=f"Character {number}", description="x" * 5_000)
        browser.get("/characters/")
        statements.clear()
        answer = browser.get(f"/characters/?layout={layout}")
        # The person, their roles, the page of rows and its count.
        assert len(statements) <= 8, statements
        assert len(answer.data) <= 40_000

    def test_remembers_the_layout(self, session, browser, owner):
        make_character(session, owner=owner.actor)
        assert "<table" in browser.get("/characters/?layout=table").text
        assert "<table" in browser.get("/characters/").text

    def test_teaches_the_first_step_where_there_is_nothing(self, browser):
        page = browser.get("/characters/").text
        assert "/imports/" in page
        assert "/characters/new" in page


class TestDetails:
    def test_shows_everything_to_the_owner(self, session, browser, owner, storage):
        book = {"name": "Tomb", "entries": [{"keys": ["a"], "content": "b", "enabled": True, "insertion_order": 1}]}
        character = import_character(
            session, actor=owner.actor, storage=storage, data=card_file(character_book=book, first_mes="{{char}}: hi")
        )
        page = browser.get(f"/characters/{character.id}").text
        for text in (
            "proud, lonely",
            "独孤求败: hi",
            "Tomb",
            "Embed a character",
            f"/media/{character.portrait_id}",
        ):
            assert text in page
        assert "Three fallback" not in page
        assert "Add at least three fallback replies" in page

    def test_calls_the_reader_you_in_the_middle_of_a_sentence(self, session, browser, owner):
        character = make_character(session, owner=owner.actor, greetings=Greetings("As {{user}} logs in"))
        assert "As you logs in" in browser.get(f"/characters/{character.id}").text

    def test_runs_nothing_of_a_card(self, session, browser, owner):
        character = make_character(
            session, owner=owner.actor, name="<b>Bold", description="<script>alert(1)</script><img src=x onerror=y>"
        )
        page = browser.get(f"/characters/{character.id}").text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>Bold" not in page

    def test_tells_others_nothing_of_the_draft_of_a_published_character(self, session, browser_of, owner):
        character = make_character(session, owner=owner.actor, name="Secret new name", status=CharacterStatus.PUBLISHED)
        answer = browser_of(make_user(session, RoleName.CREATOR)).get(f"/characters/{character.id}")
        assert answer.status_code == 200
        assert "Secret new name" not in answer.text

    def test_is_not_found_by_outsiders(self, session, browser_of, owner):
        character = make_character(session, owner=owner.actor)
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        for path in ("", "/edit", "/jobs", "/export", "/export/file"):
            assert outsider.get(f"/characters/{character.id}{path}").status_code == 404
        assert outsider.get(f"/characters/{uuid.uuid4()}").status_code == 404

    def test_lets_moderators_read_and_not_write(self, session, browser_of, owner):
        character = make_character(session, owner=owner.actor)
        moderator = browser_of(make_user(session, RoleName.MODERATOR))
        page = moderator.get(f"/characters/{character.id}")
        assert page.status_code == 200
        assert "/edit" not in page.text
        assert moderator.get(f"/characters/{character.id}/edit").status_code == 403


class TestCreate:
    def test_makes_a_draft_and_goes_on_to_the_editor(self, session, browser, owner, post):
        answer = post(browser, "/characters/new", name="小龙女", tagline="", description="")
        character = session.scalar(sa.select(Character).where(Character.owner_id == owner.id))
        assert answer.status_code == 303
        assert answer.location.endswith(f"/characters/{character.id}/edit")

    def test_says_what_is_missing_and_keeps_the_rest(self, browser, post):
        answer = post(browser, "/characters/new", name=" ", tagline="kept words", description="")
        assert answer.status_code == 422
        assert "A character needs a name." in answer.text
        assert "kept words" in answer.text


class TestEdit:
    def test_saves_fields_greetings_and_replies_together(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        data = form_of(
            character,
            name="New name",
            tags="wuxia，武侠, wuxia",
            description="line one\r\nline two",
            greeting_first="Hello",
            greeting_alternate=["b", "", "a"],
            reply_content=["later", ""],
            reply_weight=["3", "1"],
            reply_language=["en", ""],
        )
        answer = post(browser, f"/characters/{character.id}/edit", **data)
        assert answer.status_code == 303, answer.text
        session.expire_all()
        assert (character.name, character.tags) == ("New name", ["wuxia", "武侠"])
        assert character.description == "line one\nline two"
        assert queries.greetings_of(session, character_id=character.id) == Greetings("Hello", ("b", "a"))
        assert [
            (r.content, r.weight, r.language) for r in queries.list_replies(session, character_id=character.id)
        ] == [("later", 3, "en")]

    def test_shows_what_is_saved(self, session, browser, owner):
        character = make_character(
            session,
            owner=owner.actor,
            description="\nbegins with an empty line",
            greetings=Greetings("Hello", ("Other",)),
            replies=[ReplyDraft("Wait.", 7, "en")],
        )
        page = browser.get(f"/characters/{character.id}/edit").text
        for text in ("begins with an empty line", "Hello", "Other", "Wait.", 'value="7"'):
            assert text in page
        assert re.search(r'name="description"[^>]*>\r?\n\nbegins', page)

    @pytest.mark.parametrize(
        ("wish", "alternate"),
        [
            ("add:alternate", ["a", "b", ""]),
            ("drop:alternate:0", ["b"]),
            ("up:alternate:1", ["b", "a"]),
            ("down:alternate:0", ["b", "a"]),
            ("drop:alternate:99", ["a", "b"]),
        ],
    )
    def test_arranges_rows_without_saving_anything(self, session, browser, owner, post, wish, alternate):
        character = make_character(session, owner=owner.actor, name="Old")
        data = form_of(character, name="Typed", greeting_alternate=["a", "b"], do=wish)
        answer = post(browser, f"/characters/{character.id}/edit", **data)
        assert answer.status_code == 200
        found = re.findall(r'name="greeting_alternate" rows="5"[^>]*>\s?([^<]*)</textarea>', answer.text)
        assert [text.strip() for text in found] == alternate
        assert 'value="Typed"' in answer.text
        session.expire_all()
        assert character.name == "Old"

    def test_names_every_field_that_is_wrong_and_loses_nothing(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor, name="Old")
        data = form_of(
            character, name="", tagline="x" * 501, reply_content="kept reply", reply_weight="many", reply_language=""
        )
        answer = post(browser, f"/characters/{character.id}/edit", **data)
        assert answer.status_code == 422
        for text in (
            "A character needs a name.",
            "more than 500 characters",
            "A weight is a whole number",
            "kept reply",
        ):
            assert text in answer.text
        session.expire_all()
        assert character.name == "Old"

    @pytest.mark.parametrize(
        "wrong", [{"name": ""}, {"reply_content": "a reply", "reply_weight": "many", "reply_language": ""}]
    )
    def test_says_once_that_something_is_wrong(self, session, browser, owner, post, wrong):
        character = make_character(session, owner=owner.actor)
        answer = post(browser, f"/characters/{character.id}/edit", **form_of(character, **wrong))
        assert answer.text.count("alert-danger") == 1

    def test_does_the_same_for_a_second_click(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        data = form_of(character, name="Twice")
        for _ in range(2):
            assert post(browser, f"/characters/{character.id}/edit", **data).status_code == 303

    def test_is_refused_without_a_token(self, session, browser, owner):
        character = make_character(session, owner=owner.actor)
        assert browser.post(f"/characters/{character.id}/edit", data=form_of(character)).status_code == 400

    def test_is_not_found_by_outsiders(self, session, browser_of, owner, post):
        character = make_character(session, owner=owner.actor)
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        assert post(outsider, f"/characters/{character.id}/edit", **form_of(character)).status_code == 404


class TestPortrait:
    def upload(self, post, browser, character, data, **fields):
        return post(
            browser,
            f"/characters/{character.id}/portrait",
            portrait=(BytesIO(data), "me.png"),
            row_version=character.row_version,
            **fields,
        )

    def test_is_shown_and_taken_away(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        assert self.upload(post, browser, character, picture()).status_code == 303
        session.expire_all()
        assert character.portrait_id is not None
        assert self.upload(post, browser, character, b"", do="remove").status_code == 303
        session.expire_all()
        assert character.portrait_id is None

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "Choose a picture first"),
            (b"<svg></svg>", "PNG"),
            (picture()[:200], "PNG"),
            (picture()[:16] + struct.pack(">II", 10_000, 10_000) + picture()[24:], "40 megapixels"),
        ],
        ids=["nothing", "svg", "cut off", "100 megapixels"],
    )
    def test_comes_back_with_a_sentence_and_the_old_portrait_where_refused(
        self, session, browser, owner, post, data, sentence
    ):
        character = make_character(session, owner=owner.actor)
        # Reading the page takes its message away.
        browser.get(self.upload(post, browser, character, picture()).location)
        session.expire_all()
        before = (character.portrait_id, character.row_version)
        answer = self.upload(post, browser, character, data)
        assert answer.status_code == 303
        assert answer.location.endswith(f"/characters/{character.id}")
        page = browser.get(answer.location).text
        message = re.search(r'<div class="messages".*?alert-danger.*?</div>', page, re.DOTALL)
        assert message is not None
        assert sentence in message[0]
        session.expire_all()
        assert (character.portrait_id, character.row_version) == before

    def test_is_not_found_by_outsiders(self, session, browser_of, owner, post):
        character = make_character(session, owner=owner.actor)
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        for data in (picture(), b"<svg></svg>", b""):
            assert self.upload(post, outsider, character, data).status_code == 404


class TestArchive:
    def test_is_undone_by_restoring(self, session, browser, owner, post):
        character = make_character(session, owner=owner.actor)
        for _ in range(2):
            assert post(browser, f"/characters/{character.id}/archive").status_code == 303
        session.expire_all()
        assert character.status is CharacterStatus.ARCHIVED
        assert post(browser, f"/characters/{character.id}/edit", **form_of(character)).status_code == 409
        assert post(browser, f"/characters/{character.id}/restore").status_code == 303
        session.expire_all()
        assert character.status is CharacterStatus.DRAFT


class TestJobs:
    def test_ask_for_themselves_again_only_while_something_runs(self, session, browser, owner):
        character = make_character(session, owner=owner.actor)
        assert 'hx-trigger="every 2s"' in browser.get(f"/characters/{character.id}/jobs").text
        for job in session.scalars(sa.select(JobRun)):
            job.state, job.finished_at = JobState.SUCCEEDED, job.created_at
        session.flush()
        assert "hx-trigger" not in browser.get(f"/characters/{character.id}/jobs").text


class TestExport:
    @pytest.mark.parametrize("to", ["v1", "v2", "v3"])
    @pytest.mark.parametrize("as_", ["png", "json", "charx"])
    def test_offers_every_form_with_its_losses(self, session, browser, owner, storage, to, as_):
        character = import_character(session, actor=owner.actor, storage=storage)
        assert browser.get(f"/characters/{character.id}/export?to={to}&as={as_}").status_code == 200
        answer = browser.get(f"/characters/{character.id}/export/file?to={to}&as={as_}")
        assert read_card(answer.data).name == "独孤求败"
        assert "attachment" in answer.headers["Content-Disposition"]

    def test_says_what_v1_loses(self, session, browser, owner, storage):
        character = import_character(session, actor=owner.actor, storage=storage)
        assert "V1 cannot say this" in browser.get(f"/characters/{character.id}/export?to=v1&as=json").text

    def test_refuses_another_form(self, session, browser, owner):
        character = make_character(session, owner=owner.actor)
        assert browser.get(f"/characters/{character.id}/export?to=v9&as=exe").status_code == 422


class TestLanguage:
    def test_speaks_chinese_without_breaking_a_page(self, session, browser_of, storage):
        person = make_user(session, RoleName.CREATOR, locale="zh_Hans")
        character = import_character(session, actor=person.actor, storage=storage)
        reader = browser_of(person)
        for path in (
            "",
            f"{character.id}",
            f"{character.id}/edit",
            f"{character.id}/export",
        ):
            answer = reader.get(f"/characters/{path}")
            assert answer.status_code == 200
            assert 'lang="zh-Hans"' in answer.text


class TestReview:
    def sent_back(self, session, owner, now, *, field):
        moderator = make_user(session, RoleName.MODERATOR).actor
        case = make_claimed_case(session, owner=owner.actor, moderator=moderator, now=now)
        listing = session.get_one(CharacterPublication, case.publication_id)
        reason = review_queries.list_reasons(session)[0]
        decisions.reject(
            session,
            actor=moderator,
            case_id=case.id,
            content_hash=listing.content_hash,
            reasons=[Reason(code=reason.code, field=field, comment="Say hello first.")],
            now=now,
            hold=AT_ONCE,
        )
        return listing

    def test_shows_the_owner_what_to_change_and_where(self, session, browser, browser_of, owner, now):
        listing = self.sent_back(session, owner, now, field="first_mes")
        for path in ("", "/edit"):
            page = browser.get(f"/characters/{listing.character_id}{path}").text
            assert "Say hello first." in page
            assert f"/characters/{listing.character_id}/edit#field-greeting_first" in page
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        assert outsider.get(f"/characters/{listing.character_id}").status_code == 404

    @pytest.mark.parametrize(
        ("field", "name", "described"),
        [
            ("first_mes", "greeting_first", "greeting-first-help asked-greeting_first"),
            ("alternate_greetings", "greeting_alternate", "asked-greeting_alternate"),
            ("mes_example", "example_dialogue", "example_dialogue-help asked-example_dialogue"),
            ("content_rating", "content_rating", "asked-content_rating"),
            ("scenario", "scenario", "scenario-help asked-scenario"),
        ],
    )
    def test_shows_a_reason_below_the_field_that_it_is_about(
        self, session, browser, owner, now, post, field, name, described
    ):
        listing = self.sent_back(session, owner, now, field=field)
        character = session.get_one(Character, listing.character_id)
        data = form_of(character, greeting_alternate="Other", do="add:alternate")
        page = post(browser, f"/characters/{character.id}/edit", **data).text
        assert re.search(
            rf'<(?:textarea|select)[^>]*aria-describedby="{described}"[^>]* name="{name}"', page
        ) or re.search(rf'<(?:textarea|select)[^>]* name="{name}"[^>]*aria-describedby="{described}"', page)
        below = page.partition(f'id="field-{name}"')[2].partition(f'id="asked-{name}"')[2]
        assert "Say hello first." in below[:1_000]

    def test_leads_from_reason_to_reason(self, session, browser, owner, now):
        listing = self.sent_back(session, owner, now, field="description")
        decision = session.scalars(sa.select(ReviewDecision)).one()
        reason_id = session.scalars(sa.select(FieldComment.reason_id)).first()
        for field in ("", "description", "first_mes", "listing.title"):
            session.add(FieldComment(decision_id=decision.id, reason_id=reason_id, field=field))
        session.flush()
        assert f"/characters/{listing.character_id}/edit#asked" in browser.get(f"/listings/{listing.id}").text
        page = browser.get(f"/characters/{listing.character_id}/edit").text
        assert re.search(r'href="[^"]*#field-description" data-first>', page)
        first = page.partition('id="asked-description"')[2].partition("</div>")[0]
        assert '<a href="#field-greeting_first">Next reason' in first
        second = page.partition('id="asked-greeting_first"')[2].partition("</div>")[0]
        assert f'<a href="/listings/new?character_id={listing.character_id}">Next reason' in second

    def test_shows_a_reason_of_the_whole_only_on_top(self, session, browser, owner, now):
        listing = self.sent_back(session, owner, now, field="")
        page = browser.get(f"/characters/{listing.character_id}/edit").text
        assert page.count("Say hello first.") == 1
        assert "asked-" not in page

    def test_shows_others_the_listed_version_and_not_the_later_draft(self, session, browser_of, owner, now):
        moderator = make_user(session, RoleName.MODERATOR).actor
        listing = make_live_listing(session, owner=owner.actor, moderator=moderator, now=now)
        character = session.get_one(Character, listing.character_id)
        characters.update(
            session,
            actor=owner.actor,
            character_id=character.id,
            row_version=character.row_version,
            changes={"name": "Secret new name"},
            now=now,
        )
        page = browser_of(make_user(session, RoleName.CREATOR)).get(f"/characters/{character.id}").text
        assert "The keeper of the light" in page
        assert "Quiet talks by the sea." in page
        assert "Secret new name" not in page
        assert "/edit" not in page
