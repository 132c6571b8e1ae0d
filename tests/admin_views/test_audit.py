"""The screens of the audit log."""

import ast
from pathlib import Path
from uuid import uuid4

import pytest

from admin_views.operations.audit_labels import ACTION_LABELS
from admin_views.operations.audit_names import KIND_LABELS
from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, RoleName
from studio.market.review import effects
from tests.factories.accounts import make_user


@pytest.fixture
def entry(session):
    return audit.record(
        session,
        actor=SYSTEM,
        action="character.update",
        resource="character",
        resource_id=uuid4(),
        before={"name": "Old <b>name</b>", "tags": ["a"]},
        after={"name": "New name", "tags": ["a", "b"]},
        reason="A typo",
    )


@pytest.fixture
def browser(browser_of, session, entry):
    return browser_of(make_user(session, RoleName.STAFF))


ROOT = Path(__file__).parents[2] / "studio"


def texts_in(node):
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def actions_in(path):
    """What a module writes into the audit log: `action="a.b"`, or `f"a.{verb}"` and the verbs that it is called with."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    given = [(keyword.arg, keyword.value) for call in calls for keyword in call.keywords]
    yield from (text for name, value in given if name == "action" for text in texts_in(value) if "." in text[:-1])
    stems = {text for name, value in given if name == "action" for text in texts_in(value) if text.endswith(".")}
    told = [value for name, value in given if name == "verb"]
    told += [value for call in calls if ast.unparse(call.func) == "_record" for value in call.args]
    yield from (f"{stem}{verb}" for stem in stems for value in told for verb in texts_in(value))


def test_every_action_has_its_words():
    written = {action for path in ROOT.rglob("*.py") for action in actions_in(path)}
    assert {"payout.make", "story.trash", "job.retry", "error.reopen", "character.delete"} <= written
    assert written - ACTION_LABELS.keys() == set()
    assert set(effects._ACTIONS.values()) <= ACTION_LABELS.keys()


def kinds_in(path):
    """What a module calls the rows that it tells of: `resource="…"` in a call, or its `RESOURCE`."""
    tree = list(ast.walk(ast.parse(path.read_text())))
    given = [
        keyword.value
        for node in tree
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "resource"
    ]
    named = [node for node in tree if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)]
    given += [node.value for node in named if ast.unparse(node.targets[0]) in {"RESOURCE", "_RESOURCE"}]
    yield from (one.value for one in given if isinstance(one, ast.Constant))


def test_every_kind_of_row_has_its_words():
    written = {kind for path in ROOT.rglob("*.py") for kind in kinds_in(path)}
    assert {"listing", "character", "person", "payout"} <= written
    # The actions on queues, schedules and providers name their kind themselves.
    assert (written | {"queue", "schedule", "provider"}) - KIND_LABELS.keys() == set()


class TestList:
    def test_is_read_in_chinese_but_for_what_people_wrote(self, session, browser_of, entry):
        audit.record(
            session, actor=SYSTEM, action="listing.approve", resource="listing", resource_id=uuid4(),
            before={"status": "pending"}, after={"status": "approved", "content_hash": "abc", "unheard_of": 1},
        )  # fmt: skip
        page = browser_of(make_user(session, RoleName.STAFF)).get("/audit/", headers={"Accept-Language": "zh-CN"}).text
        for text in (
            "上架信息",
            "状态: <del>等待审核</del> → <ins>已上架</ins>",
            "内容哈希: <ins>abc</ins>",
            "unheard_of",
            "名称:",
        ):
            assert text in page
        assert "<ins>New name</ins>" in page

    def test_tells_who_what_which_and_the_difference(self, browser, entry):
        page = browser.get("/audit/").text
        for text in ("Character changed", "A typo", "<ins>New name</ins>", "<del>Old &lt;b&gt;name&lt;/b&gt;</del>"):
            assert text in page

    @pytest.mark.parametrize(
        ("query", "is_found"),
        [
            ("who=stud", True),
            ("who=someone", False),
            ("what=character.", True),
            ("what=changed", True),
            ("what=Payout", False),
            ("what=%25", False),
            ("resource=person", False),
            ("resource=charac", True),
            ("resource=Payout", False),
            ("row=not-an-id", False),
            ("since=2999-01-01", False),
            ("until=2000-01-01", False),
            ("since=2000-01-01&until=2999-01-01", True),
            ("since=nonsense", True),
        ],
    )
    def test_filters(self, browser, query, is_found):
        answer = browser.get(f"/audit/?{query}")
        assert answer.status_code == 200
        assert ("<ins>New name</ins>" in answer.text) == is_found

    def test_finds_all_that_was_done_to_one_row(self, browser, entry):
        assert "<ins>New name</ins>" in browser.get(f"/audit/?row={entry.resource_id}").text

    def test_stays_within_its_budget_of_statements(self, browser, statements):
        statements.clear()
        browser.get("/audit/")
        assert len(statements) <= 8

    def test_exports_with_the_difference(self, browser, entry):
        assert "name: Old <b>name</b> → New name" in browser.get("/audit/export.csv").text


class TestDetails:
    def test_shows_every_value_before_and_after(self, browser, entry):
        page = browser.get(f"/audit/{entry.id}").text
        assert "a, b" in page
        assert str(entry.resource_id) in page

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR])
    def test_is_for_staff_and_admins(self, browser_of, session, entry, role):
        assert browser_of(make_user(session, role)).get(f"/audit/{entry.id}").status_code == 403
