import json
from io import BytesIO

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import batch_work, card_batches
from studio.authoring.models import BatchState, CardBatch, CardBatchItem, Character, ItemState
from studio.providers import storage as storages
from studio.work.models import JobRun
from tests.factories.accounts import make_user
from tests.factories.authoring import NOW, card_file, json_card, make_batch

MOST_STATEMENTS = 12


@pytest.fixture
def storage(settings):
    return storages.from_settings(settings)


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


def finished(session, storage, actor, given) -> CardBatch:
    batch = make_batch(session, actor=actor, storage=storage, given=given)
    card_batches.start(session, actor=actor, batch_id=batch.id, now=NOW)
    while batch_work.take(session, storage=storage, batch_id=batch.id, now=NOW).settled:
        pass
    batch_work.finish(session, batch_id=batch.id, now=NOW)
    job = session.get_one(JobRun, batch.job_id)
    job.state, job.finished_at = "succeeded", NOW
    session.flush()
    return batch


class TestBringing:
    def test_works_slice_by_slice(self, session, browser, post):
        address = json.loads(post(browser, "/imports/batches/open", on_duplicate="import").text)["address"]
        first = post(browser, f"{address}/files", card=[(BytesIO(json_card()), "folder/a.json"), (BytesIO(b"{"), "b")])
        again = post(browser, f"{address}/files", card=[(BytesIO(json_card()), "folder/a.json")])
        assert json.loads(first.text) == {"taken": 2, "known": 0}
        assert json.loads(again.text) == {"taken": 0, "known": 1}
        part = {"path": "all.zip", "size": "3", "number": "0", "total": "1", "part": (BytesIO(b"PK?"), "part")}
        assert json.loads(post(browser, f"{address}/parts", **part).text) == {"whole": True}
        sha256 = session.scalar(sa.select(CardBatchItem.sha256).where(CardBatchItem.name == "folder/a.json"))
        known = json.loads(post(browser, f"{address}/known", hashes=f"{sha256},nonsense").text)
        assert known == {"hashes": [sha256], "parts": {}}
        assert post(browser, f"{address}/start").status_code == 303
        assert session.scalars(sa.select(CardBatch)).one().state is BatchState.IMPORTING

    def test_works_without_javascript(self, session, browser, post):
        answer = post(browser, "/imports/batches/bring", card=[(BytesIO(json_card()), "a.json")])
        assert answer.status_code == 303
        assert "a.json" in browser.get(answer.location).text

    def test_asks_for_files_where_none_were_chosen(self, session, browser, post):
        answer = post(browser, "/imports/batches/bring")
        assert (answer.status_code, "Choose files first" in answer.text) == (422, True)
        assert session.scalar(sa.select(sa.func.count()).select_from(CardBatch)) == 0

    def test_refuses_what_is_too_much_with_a_sentence_and_keeps_nothing(self, session, browser, post, monkeypatch):
        monkeypatch.setattr(card_batches, "MOST_FILES", 1)
        cards = [(BytesIO(json_card(name=str(n))), f"{n}.json") for n in range(2)]
        answer = post(browser, "/imports/batches/bring", card=cards)
        assert (answer.status_code, "at most 1 files" in answer.text) == (413, True)
        assert session.scalar(sa.select(sa.func.count()).select_from(CardBatch)) == 0

    def test_is_not_for_who_writes_nothing(self, session, browser_of):
        assert browser_of(make_user(session, RoleName.MODERATOR)).get("/imports/batches/").status_code == 403


class TestPage:
    def test_has_a_row_for_each_file_and_counts_them(self, session, browser, owner, storage, statements):
        given = [("one.png", card_file()), ("same.json", json_card()), ("bad.json", b"{")]
        batch = finished(session, storage, owner.actor, given)
        statements.clear()
        page = browser.get(f"/imports/batches/{batch.id}").text
        assert len(statements) <= MOST_STATEMENTS, "\n".join(statements)
        character_id = session.scalar(sa.select(Character.id))
        for text in ("one.png", "same.json", "bad.json", "neither a card picture nor valid JSON"):
            assert text in page
        assert page.count(f"/characters/{character_id}") == 2
        assert "Undo the import" in page

    def test_filters_by_outcome_and_pages_through(self, session, browser, owner, storage):
        given = [(f"{n:03}.json", json_card(name=f"N{n}")) for n in range(60)] + [("bad.json", b"{")]
        batch = finished(session, storage, owner.actor, given)
        address = f"/imports/batches/{batch.id}"
        assert "bad.json" in browser.get(f"{address}?outcome=refused").text
        assert "000.json" not in browser.get(f"{address}?outcome=refused").text
        first = browser.get(address).text
        assert ("049.json" in first, "050.json" in first) == (True, False)
        last = session.scalar(sa.select(CardBatchItem.id).where(CardBatchItem.name == "049.json"))
        assert "059.json" in browser.get(f"{address}?after={last}").text

    def test_renews_itself_only_while_something_is_at_work(self, session, browser, owner, storage):
        batch = make_batch(session, actor=owner.actor, storage=storage, given=[("a.json", json_card())])
        card_batches.start(session, actor=owner.actor, batch_id=batch.id, now=NOW)
        assert "every 2s" in browser.get(f"/imports/batches/{batch.id}/live").text
        done = finished(session, storage, owner.actor, [("b.json", json_card(name="B"))])
        assert "every 2s" not in browser.get(f"/imports/batches/{done.id}/live").text

    def test_runs_nothing_of_a_file(self, session, browser, owner, storage):
        evil = "<script>alert(1)</script>"
        batch = finished(session, storage, owner.actor, [(f"{evil}.json", json_card(name=evil)), (f"{evil}.x", b"{")])
        assert evil not in browser.get(f"/imports/batches/{batch.id}").text

    def test_tells_the_outcomes_as_a_table_that_runs_no_formula(self, session, browser, owner, storage):
        batch = finished(session, storage, owner.actor, [("=1+1.json", b"{"), ("b.json", json_card())])
        answer = browser.get(f"/imports/batches/{batch.id}/outcomes.csv")
        assert answer.mimetype == "text/csv"

    def test_undoes_stops_and_goes_on(self, session, browser, owner, storage, post):
        batch = make_batch(session, actor=owner.actor, storage=storage, given=[("a.json", json_card())])
        address = f"/imports/batches/{batch.id}"
        assert post(browser, f"{address}/undo").status_code == 409
        assert post(browser, f"{address}/start").status_code == 303
        assert post(browser, f"{address}/stop").status_code == 303
        session.expire_all()
        assert "Go on" in browser.get(address).text
        done = finished(session, storage, owner.actor, [("b.json", json_card(name="B"))])
        assert post(browser, f"/imports/batches/{done.id}/undo").status_code == 303
        session.expire_all()
        assert done.state is BatchState.UNDOING

    def test_forgets_what_was_not_started(self, session, browser, owner, post):
        batch = make_batch(session, actor=owner.actor)
        assert post(browser, f"/imports/batches/{batch.id}/discard").status_code == 303
        session.expire_all()
        assert browser.get(f"/imports/batches/{batch.id}").status_code == 404

    def test_is_not_found_by_outsiders(self, session, browser_of, owner, storage, post):
        batch = make_batch(session, actor=owner.actor, storage=storage, given=[("a.json", json_card())])
        outsider = browser_of(make_user(session, RoleName.CREATOR))
        for path in ("", "/live", "/outcomes.csv"):
            assert outsider.get(f"/imports/batches/{batch.id}{path}").status_code == 404
        for path in ("files", "parts", "known", "start", "stop", "retry", "undo", "discard"):
            assert post(outsider, f"/imports/batches/{batch.id}/{path}").status_code == 404
        assert str(batch.id) not in outsider.get("/imports/batches/").text
        assert session.scalars(sa.select(CardBatchItem)).one().state is ItemState.WAITING
