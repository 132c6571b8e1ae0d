"""Walks every route that changes something: a stale version token is refused, or the route says why it needs none."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa

from admin_views.market.categories import CategoriesView
from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters, lorebook_edits, lorebook_states, stories, versions
from studio.authoring.lorebook_rules import fingerprint, grid_token
from studio.authoring.models import LorebookEntry
from studio.cards.lore_files import write_lorebook
from studio.market.catalogue import listing_drafts
from studio.market.catalogue.listing_drafts import Words
from studio.market.models import ListingDraft, ReviewReason
from studio.market.review import reasons
from studio.market.review.reasons import Wording
from studio.operations import trash
from tests.admin_views.conftest import token_of
from tests.factories.accounts import make_user
from tests.factories.authoring import NOW, make_character, make_official, make_story
from tests.factories.lorebooks import entry_document, make_lorebook
from tests.factories.market import make_category
from tests.factories.media import picture

SAYS_WHAT_IT_WANTS = "It says the state that is wanted, may be repeated and undone, and overwrites no text."
MAKES_A_ROW = "It makes a row; there is none yet that somebody else could have changed."
SAVES_NOTHING = "It changes nothing that anybody else sees."
OWN_ALONE = "It changes what only its owner can change, in one place."
OWN_GUARD = "A guard of its own holds: a lease, a hash of the content, or a state that is checked under a lock."

WITHOUT: Mapping[str, str] = {
    # Drafts that keep themselves have a growing number of their own, and nobody else's row.
    "*.autosave": OWN_ALONE,
    "*.autosave_discard": OWN_ALONE,
    "*.create_view": MAKES_A_ROW,
    "*.export_view": MAKES_A_ROW,
    "*.restore": SAYS_WHAT_IT_WANTS,
    "*.bulk_view": "The version of each row stands in the value of its check box; tests/operations/test_bulk.py holds it.",
    "characters.archive": SAYS_WHAT_IT_WANTS,
    "characters.keep": SAYS_WHAT_IT_WANTS,
    "characters.trash": SAYS_WHAT_IT_WANTS,
    "characters.check_text": SAVES_NOTHING,
    "characters.save_version": "A version is made of what is saved, whoever saved it; a second one of the same is none.",
    "stories.add_character": MAKES_A_ROW,
    "stories.unpublish": SAYS_WHAT_IT_WANTS,
    "lorebooks.check": SAVES_NOTHING,
    "lorebooks.test": SAVES_NOTHING,
    "lorebooks.new": MAKES_A_ROW,
    "lorebooks.duplicate": MAKES_A_ROW,
    "trash_lorebooks.delete_view": "A book in the trash never changes; its id is its version.",
    "test_chat.*": OWN_ALONE,
    "assist.*": OWN_ALONE,
    "imports.*": OWN_ALONE,
    "batches.*": OWN_ALONE,
    "exports.*": OWN_ALONE,
    "account.*": OWN_ALONE,
    "preferences.*": OWN_ALONE,
    "security.*": OWN_ALONE,
    "sign_in.*": OWN_ALONE,
    "people.*": "Their forms carry one; tests/admin_views/test_people.py holds it.",
    "review.*": OWN_GUARD,
    "listings.*": OWN_GUARD,
    "shop.*": OWN_GUARD,
    "purchases.*": OWN_GUARD,
    "test_payments.*": OWN_GUARD,
    "money.*": OWN_GUARD,
    "payment_events.*": OWN_GUARD,
    "earnings.*": OWN_GUARD,
    "payouts.*": OWN_GUARD,
    "sales.*": OWN_GUARD,
    "work.*": OWN_GUARD,
    "jobs.*": OWN_GUARD,
    "bulk.*": OWN_GUARD,
    "errors.*": SAYS_WHAT_IT_WANTS,
    "appeals.*": OWN_GUARD,
    "reports.*": OWN_GUARD,
    "budgets.*": SAYS_WHAT_IT_WANTS,
    "queues.*": SAYS_WHAT_IT_WANTS,
    "schedules.*": MAKES_A_ROW,
    "screening_checks.*": SAYS_WHAT_IT_WANTS,
    "tray.*": SAYS_WHAT_IT_WANTS,
    "bulk_jobs.*": MAKES_A_ROW,
    "chat_media.*": OWN_ALONE,
    "speech.*": OWN_ALONE,
    "uploads.*": OWN_ALONE,
    "library.describe": "Its form carries one; the media library's own tests hold it.",
    "library.delete": OWN_GUARD,
    "library.keep": SAYS_WHAT_IT_WANTS,
    "library.link": SAVES_NOTHING,
    "library.use": "It names the picture that is wanted; the one before stays in the library.",
    "pictures.*": "The form that takes one as a portrait carries one; stopping says the state that is wanted.",
    "voices.*": "The form of a voice carries one; tests/admin_views/voices/test_configuring.py holds it.",
}
"""Routes without a version token, each with its reason; `*` stands for any name."""


@dataclass
class Scene:
    """What the cases are made with, and who acts."""

    session: Any
    creator: Any
    staff: Any
    moderator: Any
    made: dict[str, Any] = field(default_factory=dict)

    def character(self):
        return self._once("character", lambda: make_character(self.session, owner=self.creator.actor))

    def book(self):
        return self._once(
            "book", lambda: make_lorebook(self.session, owner=self.creator.actor, character=self.character())
        )

    def entry(self):
        query = sa.select(LorebookEntry).where(LorebookEntry.lorebook_id == self.book().id)
        return self.session.scalars(query.order_by(LorebookEntry.position)).first()

    def story(self):
        return self._once("story", lambda: make_story(self.session, staff=self.staff.actor))

    def category(self):
        return self._once("category", lambda: make_category(self.session, staff=self.staff.actor))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.made:
            self.made[name] = make()
            self.session.flush()
        return self.made[name]


@dataclass(frozen=True)
class Case:
    """One request that is right as it stands, and the one value in it that makes it stale."""

    address: str
    data: dict[str, Any]
    token: str = "row_version"
    stale: Any = 999_999
    who: str = "creator"


def _edit(scene: Scene) -> Case:
    row = scene.character()
    data = {"row_version": row.row_version, "name": "Another name", "content_rating": "unrated"}
    return Case(f"/characters/{row.id}/edit", data)


def _portrait(scene: Scene) -> Case:
    row = scene.character()
    data = {"row_version": row.row_version, "portrait": (BytesIO(picture()), "a.png")}
    return Case(f"/characters/{row.id}/portrait", data)


def _restore_version(scene: Scene) -> Case:
    row, actor = scene.character(), scene.creator.actor
    versions.make(scene.session, actor=actor, character_id=row.id, now=NOW)
    characters.update(
        scene.session,
        actor=actor,
        character_id=row.id,
        row_version=row.row_version,
        changes={"name": "Later"},
        now=NOW,
    )
    return Case(f"/characters/{row.id}/versions/1/restore", {"row_version": row.row_version})


def _entry(scene: Scene) -> Case:
    entry = scene.entry()
    data = {
        "base": fingerprint(entry.document),
        "row_version": scene.book().row_version,
        "name": "Another name",
        "keys": "key",
        "content": "Text.",
        "insertion_order": "1",
        "place": "before_char",
        "depth": "4",
        "role": "system",
        "chance": "100",
        **dict.fromkeys(("logic", "is_exact", "is_whole", "scan_depth", "priority"), ""),
    }
    address = f"/lorebooks/{scene.book().character_id}/entries/{entry.id}"
    return Case(address, data, token="base", stale="0" * 32)


def _flag(scene: Scene) -> Case:
    entry = scene.entry()
    address = f"/lorebooks/{scene.book().character_id}/entries/{entry.id}/flag?flag=is_enabled&value=0&base="
    return Case(address, {"": grid_token(entry)}, token="", stale="0" * 32)


def _of_book(path: str, **data: Any) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        book = scene.book()
        given = {name: value(scene) if callable(value) else value for name, value in data.items()}
        place = path.format(entry=scene.entry().id) if "{" in path else path
        return Case(f"/lorebooks/{book.character_id}/{place}", {"row_version": book.row_version, **given})

    return make


def _settings(scene: Scene) -> Case:
    book = scene.book()
    opened = book.row_version
    # Only a change of the settings themselves makes them stale.
    lorebook_edits.save_settings(
        scene.session,
        actor=scene.creator.actor,
        character_id=book.character_id,
        row_version=opened,
        changes={"name": "Theirs"},
        now=NOW,
    )
    data = {"row_version": book.row_version, "name": "Mine", "recursive_scanning": ""}
    return Case(f"/lorebooks/{book.character_id}/settings", data, stale=opened)


def _state(scene: Scene) -> Case:
    state = lorebook_states.keep(scene.session, scene.book(), actor=scene.creator.actor, action="delete", now=NOW)
    return _of_book(f"states/{state.id}")(scene)


def _bring(scene: Scene) -> Case:
    text = write_lorebook({"extensions": {}, "entries": [entry_document(9)]}, to="lorebook_v3").data.decode()
    return _of_book("import", text=text, way="append", do="bring")(scene)


def _of_story(path: str, **data: Any) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        row = scene.story()
        return Case(f"/stories/{row.id}/{path}", {"row_version": row.row_version, **data}, who="staff")

    return make


def _cover(scene: Scene) -> Case:
    return _of_story("cover", cover=(BytesIO(picture()), "a.png"))(scene)


def _move(scene: Scene) -> Case:
    cast = [make_official(scene.session, staff=scene.staff.actor, story=scene.story()) for _ in range(2)]
    data = {"order": stories.order_token(cast), "character_id": cast[1].id, "place": 0}
    return Case(f"/stories/{scene.story().id}/move", data, token="order", stale="0" * 16, who="staff")


def _publish(scene: Scene) -> Case:
    row = make_official(scene.session, staff=scene.staff.actor, story=scene.story())
    return Case(f"/stories/characters/{row.id}/publish", {"row_version": row.row_version}, who="staff")


def _trashed(scene: Scene) -> Case:
    row = trash.put(scene.session, actor=scene.creator.actor, character_id=scene.character().id, now=NOW)
    return Case(f"/trash/{row.id}/delete", {"row_version": row.row_version})


def _trashed_story(scene: Scene) -> Case:
    row = scene.story()
    stories.put_in_trash(scene.session, actor=scene.staff.actor, story_id=row.id, row_version=None, now=NOW)
    return Case(f"/trash/stories/{row.id}/delete", {"row_version": row.row_version}, who="staff")


def _category(scene: Scene) -> Case:
    row = scene.category()
    data = {"row_version": row.row_version, "name": "Another", "name_zh": "另一类"}
    return Case(f"/categories/{row.id}/edit", data, who="staff")


def _reason(scene: Scene) -> ReviewReason:
    wording = Wording(title="Too short", title_zh="太短", message="Write more.", message_zh="请多写一些。")
    return scene._once("reason", lambda: reasons.create(scene.session, actor=scene.moderator.actor, wording=wording))


def _change_reason(scene: Scene) -> Case:
    row = _reason(scene)
    words = {"title": "Short", "title_zh": "短", "message": "Write more.", "message_zh": "请多写。", "sort_order": "1"}
    return Case(f"/review_reasons/{row.id}/edit", {"row_version": row.row_version, **words}, who="moderator")


def _delete_reason(scene: Scene) -> Case:
    row = _reason(scene)
    return Case(f"/review_reasons/{row.id}/delete", {"row_version": row.row_version}, who="moderator")


def _draft(scene: Scene) -> ListingDraft:
    words = Words(title="A light")
    return scene._once(
        "draft", lambda: listing_drafts.begin(scene.session, actor=scene.creator.actor, words=words, now=NOW)
    )


def _change_draft(scene: Scene) -> Case:
    row = _draft(scene)
    return Case(f"/listing_drafts/{row.id}/edit", {"row_version": row.row_version, "title": "Another", "do": "draft"})


def _delete_draft(scene: Scene) -> Case:
    row = _draft(scene)
    return Case(f"/listing_drafts/{row.id}/delete", {"row_version": row.row_version})


CASES: Mapping[str, Callable[[Scene], Case]] = {
    "characters.edit_view": _edit,
    "characters.portrait": _portrait,
    "characters.restore_version": _restore_version,
    "lorebooks.entry": _entry,
    "lorebooks.flag": _flag,
    "lorebooks.settings": _settings,
    "lorebooks.move": _of_book("entries/{entry}/move", way="last"),
    "lorebooks.many": _of_book("many", all="1", act="disable"),
    "lorebooks.back": _state,
    "lorebooks.bring": _bring,
    "lorebooks.trash": _of_book("trash"),
    "stories.edit_view": _of_story("edit", title="Another title"),
    "stories.delete_view": _of_story("delete"),
    "stories.cover": _cover,
    "stories.move": _move,
    "stories.publish": _publish,
    "trash.delete_view": _trashed,
    "trash_stories.delete_view": _trashed_story,
    "categories.edit_view": _category,
    "review_reasons.edit_view": _change_reason,
    "review_reasons.delete_view": _delete_reason,
    "listing_drafts.edit_view": _change_draft,
    "listing_drafts.delete_view": _delete_draft,
}
ELSEWHERE = {f"categories.{name}" for name in ("step", "place", "move", "close", "reopen", "delete_view")}
"""Routes whose tokens tests/admin_views of their own play."""


def changing(app) -> Iterator[str]:
    return iter(sorted({rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}))


def is_without(endpoint: str) -> bool:
    view, _, name = endpoint.rpartition(".")
    return bool({endpoint, f"{view}.*", f"*.{name}"} & WITHOUT.keys())


def test_every_route_that_changes_something_carries_a_token_or_says_why_not(app):
    missing = [one for one in changing(app) if one not in CASES and one not in ELSEWHERE and not is_without(one)]
    assert not missing, (
        f"{missing}: have the form send the version that it was filled from and the service compare it, and add a "
        "case to CASES of this test; or say in WITHOUT why it needs none."
    )
    assert {name for name in permissions_of(CategoriesView) if f"categories.{name}" in ELSEWHERE}


def permissions_of(view) -> set[str]:
    return set(view.permissions)


@pytest.fixture
def scene(session):
    return Scene(
        session, *(make_user(session, role) for role in (RoleName.CREATOR, RoleName.STAFF, RoleName.MODERATOR))
    )


@pytest.mark.parametrize("endpoint", CASES)
def test_a_stale_token_is_refused_and_the_right_one_is_not(session, scene, browser_of, endpoint):
    case = CASES[endpoint](scene)
    session.flush()
    browser = browser_of(getattr(scene, case.who))

    def entries() -> int:
        session.expire_all()
        return session.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) or 0

    def send(**changes: Any):
        data = {"csrf_token": token_of(browser), **case.data, **changes}
        address = case.address + str(data.pop("", ""))
        # A file that was sent is read to its end.
        files = {name: (BytesIO(value[0].getvalue()), value[1]) for name, value in data.items() if type(value) is tuple}
        return browser.post(address, data={**data, **files}, content_type="multipart/form-data")

    before = entries()
    refused = send(**{case.token: case.stale})
    assert refused.status_code in {409, 303}, refused.text[-2000:]
    if refused.status_code == 303:
        assert "in the meantime" in browser.get(refused.location).text
    assert entries() == before, "Something was changed by a stale request."
    assert send().status_code == 303
    assert entries() > before, "The request is wrong in itself: with the right token it changes nothing either."
