import json
import uuid
from io import BytesIO

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring.models import CardDocument, Character, DocumentState
from studio.media.models import MediaFile
from studio.providers import storage as storages
from tests.factories.accounts import make_user
from tests.factories.authoring import card_file, import_character, json_card, make_preview
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


def count(session, table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table))


class TestUpload:
    def test_leads_to_the_report_and_makes_no_character(self, session, browser, post):
        answer = post(browser, "/imports/", card=(BytesIO(card_file()), "独孤.png"))
        assert answer.status_code == 303
        assert count(session, Character) == 0
        page = browser.get(answer.location).text
        for text in ("独孤求败", "data.extensions.somebody/else", "PNG picture", "dry run"):
            assert text in page

    def test_speaks_of_a_damaged_picture_once(self, browser, post):
        data = bytearray(card_file())
        data[30] ^= 0xFF
        answer = post(browser, "/imports/", card=(BytesIO(bytes(data)), "damaged.png"))
        page = browser.get(answer.location).text
        assert page.count("damaged") - page.count("damaged.png") == 1
        assert "holds no portrait" not in page
        assert "wrong checksum" not in page

    def test_takes_several_and_says_what_it_could_not_read(self, session, browser, post):
        cards = [
            (BytesIO(card_file()), "a.png"),
            (BytesIO(b"nonsense"), "b.png"),
            (BytesIO(json_card(name="Third")), "c.json"),
        ]
        answer = post(browser, "/imports/", card=cards)
        assert answer.status_code == 200
        assert count(session, CardDocument) == 2
        for text in ("b.png", "独孤求败", "Third"):
            assert text in answer.text

    @pytest.mark.parametrize(
        ("data", "name"),
        [
            (picture(), "no-card.png"),
            (card_file()[:400], "cut.png"),
            (b"[" * 10_000, "deep.json"),
            (b"<svg></svg>", "drawing.svg"),
            (b'{"entries": {}}', "book.json"),
        ],
        ids=["no card", "cut off", "deep", "svg", "lorebook"],
    )
    def test_answers_bad_files_with_a_sentence_and_keeps_nothing(self, session, browser, post, data, name):
        answer = post(browser, "/imports/", card=(BytesIO(data), name))
        assert answer.status_code in {413, 422}
        assert name in answer.text
        assert count(session, MediaFile) == 0

    def test_asks_for_a_file_where_none_was_chosen(self, browser, post):
        answer = post(browser, "/imports/")
        assert answer.status_code == 422
        assert "Choose a file first" in answer.text

    def test_gives_the_same_report_to_a_second_click(self, browser, post):
        first, second = (post(browser, "/imports/", card=(BytesIO(card_file()), "a.png")) for _ in range(2))
        assert first.location == second.location

    def test_lists_what_waits(self, session, browser, owner, storage):
        document = make_preview(session, actor=owner.actor, storage=storage)
        assert f"/imports/{document.id}" in browser.get("/imports/").text

    def test_is_not_for_who_writes_nothing(self, session, browser_of):
        assert browser_of(make_user(session, RoleName.MODERATOR)).get("/imports/").status_code == 403


class TestReport:
    def test_names_duplicates_with_links(self, session, browser, owner, storage):
        character = import_character(session, actor=owner.actor, storage=storage)
        document = make_preview(session, actor=owner.actor, storage=storage)
        page = browser.get(f"/imports/{document.id}").text
        assert f"/characters/{character.id}" in page
        assert "the same file" in page

    def test_offers_no_confirmation_of_what_is_too_long(self, session, browser, owner, storage, post):
        document = make_preview(
            session, actor=owner.actor, storage=storage, data=json_card(scenario="x" * 200_001), filename="long.json"
        )
        page = browser.get(f"/imports/{document.id}").text
        assert "Scenario" in page
        assert "/confirm" not in page
        answer = post(browser, f"/imports/{document.id}/confirm")
        assert answer.status_code == 422
        assert "too long to keep" in answer.text

    def test_cuts_a_long_name_here_and_in_the_list(self, session, browser, owner, storage):
        document = make_preview(session, actor=owner.actor, storage=storage, data=json_card(name="n" * 5_000))
        for path in (f"/imports/{document.id}", "/imports/"):
            page = browser.get(path).text
            assert "n" * 79 + "…" in page
            assert "n" * 80 not in page

    def test_names_the_kind_of_card_as_people_do(self, session, browser, owner, storage):
        card = json.dumps({"名称": "独孤求败", "描述": "proud"}).encode()
        document = make_preview(session, actor=owner.actor, storage=storage, data=card, filename="card.json")
        assert "JSON file, TavernAI" in browser.get(f"/imports/{document.id}").text

    def test_runs_nothing_of_a_card(self, session, browser, owner, storage):
        evil = "<script>alert(1)</script>"
        document = make_preview(session, actor=owner.actor, storage=storage, data=json_card(name=evil, **{evil: 1}))
        assert evil not in browser.get(f"/imports/{document.id}").text

    def test_is_not_found_by_outsiders(self, session, browser_of, owner, storage, post):
        document = make_preview(session, actor=owner.actor, storage=storage)
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        assert outsider.get(f"/imports/{document.id}").status_code == 404
        assert outsider.get(f"/imports/{uuid.uuid4()}").status_code == 404
        for step in ("confirm", "discard"):
            assert post(outsider, f"/imports/{document.id}/{step}").status_code == 404
        assert count(session, Character) == 0


class TestConfirm:
    def test_makes_the_character_once_however_often_it_is_clicked(self, session, browser, owner, storage, post):
        document = make_preview(session, actor=owner.actor, storage=storage)
        answers = [post(browser, f"/imports/{document.id}/confirm") for _ in range(2)]
        assert {answer.status_code for answer in answers} == {303}
        assert answers[0].location == answers[1].location
        assert count(session, Character) == 1

    def test_says_that_it_was_discarded(self, session, browser, owner, storage, post):
        document = make_preview(session, actor=owner.actor, storage=storage)
        assert post(browser, f"/imports/{document.id}/discard").status_code == 303
        answer = post(browser, f"/imports/{document.id}/confirm")
        assert answer.status_code == 409
        assert "was discarded" in answer.text
        session.expire_all()
        assert document.state is DocumentState.DISCARDED

    def test_is_refused_without_a_token(self, session, browser, owner, storage):
        document = make_preview(session, actor=owner.actor, storage=storage)
        assert browser.post(f"/imports/{document.id}/confirm").status_code == 400
