"""Walks every route as every kind of person, with own rows, other people's rows, and rows that do not exist.

A new route is walked with no change here. Only a route about a kind of row that
no route was about before needs a line in `KINDS`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from admin_views.access import allows, is_public, route_permission
from studio.accounts import audit
from studio.accounts.models import AuditEntry, User, UserStatus
from studio.accounts.permissions import NOBODY, SYSTEM, Actor, RoleName
from studio.accounts.queries import audit_entry_visible_to, user_visible_to
from studio.app import Studio, create_app
from studio.authoring import lorebook_states, lorebook_trash
from studio.authoring.batch_queries import batch_visible_to
from studio.authoring.models import (
    CardBatch,
    CardDocument,
    Character,
    Lorebook,
    LorebookEntry,
    LorebookState,
    Story,
    TrashedLorebook,
)
from studio.authoring.queries import character_visible_to, document_visible_to, draft_visible_to, story_visible_to
from studio.chat import attachments
from studio.chat.models import (
    ChatMessage,
    ChatSession,
    MultimediaMessage,
    PromptRun,
    SavedTestPrompt,
    WritingAssist,
)
from studio.chat.queries import (
    assist_visible_to,
    message_visible_to,
    prompt_visible_to,
    run_visible_to,
    session_visible_to,
)
from studio.market.appeals import appeal_visible_to
from studio.market.models import (
    Appeal,
    CharacterCategory,
    CharacterPublication,
    CreatorEarnings,
    ListingReport,
    Payout,
    PayoutStatus,
    Purchase,
    ReviewCase,
)
from studio.market.money_queries import payout_visible_to, purchase_visible_to, statement_visible_to
from studio.market.queries import case_visible_to, category_visible_to, listing_visible_to
from studio.market.reports import report_visible_to
from studio.media.models import ImageGeneration, MediaFile, MediaUpload
from studio.media.queries import file_visible_to, generation_visible_to, upload_visible_to
from studio.operations.budgets import budget_visible_to
from studio.operations.models import BulkRun, BulkState, ErrorGroup, ListExport
from studio.operations.queries import bulk_run_visible_to, error_visible_to, list_export_visible_to
from studio.voices.models import SpeechSynthesis, VoiceConfiguration
from studio.voices.queries import configuration_visible_to, speech_visible_to
from studio.work import budgets
from studio.work.models import JobRun, PersonBudget
from studio.work.queries import job_visible_to
from tests.admin_views.conftest import signed_in, token_of
from tests.factories import accounts, authoring, chat, lorebooks, market, media, money, voices, work

PUBLIC = {
    "payment_events.receive",
    "preferences.locale",
    "preferences.theme",
    "probes.live",
    "probes.ready",
    "security.login",
    "security.logout",
    "security.verify",
    "sign_in.code",
    "sign_in.new_password",
    "signed_file",
    "static",
}
"""The routes that ask for no permission. One more is a decision: write it here too."""

MEANT_FOR_OTHERS = {"shop.buy"}
"""The routes by which a creator acts on what is somebody else's and live, and changes nothing of theirs."""


@dataclass
class World:
    """What rows are made with."""

    session: Session
    data: Path
    now: datetime
    moderator: Actor
    made: dict[tuple[str, UUID | None, bool], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of row that routes are about: how one of `owner`'s is made, and who may see it."""

    model: type[Any]
    visible_to: Callable[[Actor], sa.ColumnElement[bool]]
    make: Callable[[World, Actor, bool], Any]

    @property
    def key(self) -> sa.ColumnElement[Any]:
        return sa.inspect(self.model).primary_key[0]


def _character(world: World, owner: Actor, is_live: bool) -> UUID:
    if not is_live:
        return authoring.make_character(world.session, owner=owner, now=world.now).id
    return market.make_live_listing(world.session, owner=owner, moderator=world.moderator, now=world.now).character_id


def _listing(world: World, owner: Actor, is_live: bool) -> UUID:
    if not is_live:
        return market.make_listing(world.session, owner=owner, now=world.now).id
    return market.make_live_listing(world.session, owner=owner, moderator=world.moderator, now=world.now).id


def _error(world: World, _owner: Actor, _is_live: bool) -> str:
    group = ErrorGroup(
        fingerprint=uuid4().hex,
        error_type="ValueError",
        message="A walk's error.",
        count=1,
        first_seen_at=world.now,
        last_seen_at=world.now,
    )
    world.session.add(group)
    world.session.flush()
    return group.fingerprint


def _entry(world: World, owner: Actor, _is_live: bool) -> UUID:
    entry = audit.record(
        world.session, actor=owner, action="character.update", resource="character", resource_id=uuid4()
    )
    world.session.flush()
    return entry.id


def _bulk_run(world: World, owner: Actor, _is_live: bool) -> UUID:
    run = BulkRun(
        action="characters.archive", asked_by_id=owner.user_id, state=BulkState.PREVIEWED, created_at=world.now
    )
    world.session.add(run)
    world.session.flush()
    return run.id


def _export(world: World, owner: Actor, _is_live: bool) -> UUID:
    made = ListExport(asked_by_id=owner.user_id, list_name="characters", created_at=world.now)
    world.session.add(made)
    world.session.flush()
    return made.id


def _purchase(world: World, owner: Actor, is_live: bool) -> UUID:
    offer = money.make_offer(world.session, owner=accounts.make_actor(world.session, RoleName.CREATOR), now=world.now)
    do = money.buy if is_live else money.begin
    return do(world.session, buyer=owner, offer=offer, now=world.now).id


def _statement(world: World, owner: Actor, _is_live: bool) -> UUID:
    character = authoring.make_character(world.session, owner=owner, now=world.now)
    row = CreatorEarnings(
        creator_id=owner.user_id,
        character_id=character.id,
        character_name=character.name,
        creator_name=owner.name,
        period_start=date(2026, 10, 1),
        period_end=date(2026, 11, 1),
        currency="USD",
        downloads=0,
        line_count=1,
        gross_minor=1,
        fee_minor=0,
        net_minor=1,
        content_hash="0" * 64,
        closed_at=world.now,
    )
    world.session.add(row)
    world.session.flush()
    return row.id


def _payout(world: World, owner: Actor, is_live: bool) -> UUID:
    row = Payout(
        batch_key=uuid4().hex,
        creator_id=owner.user_id,
        # Nobody has two of one currency under way.
        currency="EUR" if is_live else "USD",
        amount_minor=1,
        status=PayoutStatus.HELD,
        provider="local",
    )
    world.session.add(row)
    world.session.flush()
    return row.id


def _in_visible_book(model: type[Any]) -> Callable[[Actor], sa.ColumnElement[bool]]:
    def visible_to(actor: Actor) -> sa.ColumnElement[bool]:
        book = sa.select(Lorebook.id).join(Character, Character.id == Lorebook.character_id)
        return model.lorebook_id.in_(book.where(draft_visible_to(actor)))

    return visible_to


def _lore_entry(world: World, owner: Actor, _is_live: bool) -> UUID:
    book = lorebooks.make_lorebook(world.session, owner=owner, entries=1)
    return world.session.scalars(sa.select(LorebookEntry.id).where(LorebookEntry.lorebook_id == book.id)).one()


def _lore_state(world: World, owner: Actor, _is_live: bool) -> UUID:
    book = lorebooks.make_lorebook(world.session, owner=owner, entries=1)
    return lorebook_states.keep(world.session, book, actor=owner, action="delete", now=world.now).id


def _trashed_book(world: World, owner: Actor) -> UUID:
    book = lorebooks.make_lorebook(world.session, owner=owner, entries=1)
    return lorebook_trash.put(
        world.session, actor=owner, character_id=book.character_id, row_version=book.row_version, now=world.now
    ).id


def _report(world: World, owner: Actor, _is_live: bool) -> UUID:
    live = market.make_live_listing(world.session, owner=owner, moderator=world.moderator, now=world.now)
    reporter = accounts.make_actor(world.session, RoleName.CREATOR)
    return market.make_report(world.session, reporter=reporter, publication=live, now=world.now).id


def _attachment(world: World, owner: Actor, _is_live: bool) -> UUID:
    message = chat.make_message(world.session, owner=owner)
    file = media.make_portrait(world.session, actor=owner, storage=media.make_storage(world.data))
    given = {"message_id": message.id, "file_id": file.id, "now": world.now}
    return attachments.attach_picture(world.session, actor=owner, **given).id


KINDS = (
    Kind(ListingReport, report_visible_to, _report),
    Kind(
        Appeal,
        appeal_visible_to,
        lambda world, owner, _: (
            market.make_appeal(world.session, owner=owner, moderator=world.moderator, now=world.now).id
        ),
    ),
    Kind(Purchase, purchase_visible_to, _purchase),
    Kind(CreatorEarnings, statement_visible_to, _statement),
    Kind(Payout, payout_visible_to, _payout),
    Kind(Character, character_visible_to, _character),
    Kind(
        CardDocument,
        document_visible_to,
        lambda world, owner, _: (
            authoring.make_preview(world.session, actor=owner, storage=media.make_storage(world.data)).id
        ),
    ),
    Kind(CardBatch, batch_visible_to, lambda world, owner, _: authoring.make_batch(world.session, actor=owner).id),
    Kind(Story, story_visible_to, lambda world, _owner, _: authoring.make_story(world.session, staff=SYSTEM).id),
    Kind(CharacterPublication, listing_visible_to, _listing),
    Kind(
        CharacterCategory,
        category_visible_to,
        lambda world, _owner, _: market.any_category(world.session),
    ),
    Kind(
        ReviewCase,
        case_visible_to,
        lambda world, owner, _: market.make_waiting_case(world.session, owner=owner, now=world.now).id,
    ),
    Kind(
        MediaFile,
        file_visible_to,
        lambda world, owner, _: (
            media.make_portrait(world.session, actor=owner, storage=media.make_storage(world.data)).id
        ),
    ),
    Kind(MediaUpload, upload_visible_to, lambda world, owner, _: media.make_upload(world.session, owner=owner).id),
    Kind(
        ImageGeneration,
        generation_visible_to,
        lambda world, owner, _: media.make_generation(world.session, owner=owner).id,
    ),
    Kind(
        JobRun,
        job_visible_to,
        lambda world, owner, _: work.make_failed_job(world.session, now=world.now, actor=owner).id,
    ),
    Kind(
        PersonBudget,
        budget_visible_to,
        lambda world, owner, _: (
            budgets.set_limit(world.session, user_id=owner.user_id, limit_micro=None, now=world.now).user_id
        ),
    ),
    Kind(BulkRun, bulk_run_visible_to, _bulk_run),
    Kind(ListExport, list_export_visible_to, _export),
    Kind(ChatSession, session_visible_to, lambda world, owner, _: chat.make_chat(world.session, owner=owner).id),
    Kind(ChatMessage, message_visible_to, lambda world, owner, _: chat.make_message(world.session, owner=owner).id),
    Kind(SavedTestPrompt, prompt_visible_to, lambda world, owner, _: chat.make_prompt(world.session, owner=owner).id),
    Kind(PromptRun, run_visible_to, lambda world, owner, _: chat.make_run(world.session, owner=owner).id),
    Kind(WritingAssist, assist_visible_to, lambda world, owner, _: chat.make_assist(world.session, owner=owner).id),
    Kind(MultimediaMessage, attachments.attachment_visible_to, _attachment),
    Kind(
        VoiceConfiguration,
        configuration_visible_to,
        lambda world, owner, _: voices.make_voice(world.session, owner=owner).id,
    ),
    Kind(
        SpeechSynthesis,
        speech_visible_to,
        lambda world, owner, _: voices.make_speech(world.session, owner=owner, data=world.data).id,
    ),
    Kind(LorebookEntry, _in_visible_book(LorebookEntry), _lore_entry),
    Kind(
        TrashedLorebook,
        lorebook_trash.trashed_visible_to,
        lambda world, owner, _: _trashed_book(world, owner),
    ),
    Kind(LorebookState, _in_visible_book(LorebookState), _lore_state),
    Kind(User, user_visible_to, lambda _world, owner, _: owner.user_id),
    Kind(AuditEntry, audit_entry_visible_to, _entry),
    Kind(ErrorGroup, error_visible_to, _error),
)

ARGUMENTS = {
    "attachment_id": MultimediaMessage,
    "batch_id": CardBatch,
    "configuration_id": VoiceConfiguration,
    "assist_id": WritingAssist,
    "message_id": ChatMessage,
    "prompt_id": SavedTestPrompt,
    "run_id": PromptRun,
    "session_id": ChatSession,
    "case_id": ReviewCase,
    "character_id": Character,
    "document_id": CardDocument,
    "entry_id": LorebookEntry,
    "file_id": MediaFile,
    "job_id": JobRun,
    "publication_id": CharacterPublication,
    "purchase_id": Purchase,
    "state_id": LorebookState,
    "upload_id": MediaUpload,
    "user_id": User,
}
"""What an id of this name is about; a `row_id` is about its view's model."""

PEOPLE: dict[str, tuple[RoleName, ...] | None] = {
    "nobody": None,
    "a suspended creator": (RoleName.CREATOR,),
    "somebody without a role": (),
    "a creator": (RoleName.CREATOR,),
    "a moderator": (RoleName.MODERATOR,),
    "staff": (RoleName.STAFF,),
    "an admin": (RoleName.ADMIN,),
    "somebody with every role": tuple(RoleName),
}


@pytest.fixture
def app(settings, session, redis_client) -> Iterator[Studio]:
    app = create_app(settings, connection=session.connection())
    yield app
    with app.app_context():
        app.db.session.remove()
        for engine in app.db.engines.values():
            engine.dispose()
    app.extensions["studio"].redis.close()


@pytest.fixture
def world(session, settings, now) -> World:
    moderator = accounts.make_actor(session, RoleName.MODERATOR)
    return World(session=session, data=settings.data, now=now, moderator=moderator)


def model_of(app: Studio, rule: Rule, argument: str) -> type[Any]:
    """The table that an id in a route's address is about."""
    if argument != "row_id":
        found = ARGUMENTS.get(argument)
        assert found is not None, f"{rule} is about {argument}: say in ARGUMENTS of this test which table that is."
        return found
    views = [view for admin in app.extensions["admin"] for view in admin._views]
    return next(view.model for view in views if view.endpoint == rule.endpoint.rpartition(".")[0])


def kind_of(model: type[Any]) -> Kind:
    """How to make a row of the table."""
    found = next((kind for kind in KINDS if kind.model is model), None)
    assert found is not None, f"Say in KINDS of this test how a {model.__name__} is made and who may see it."
    return found


def ids_in(rule: Rule) -> list[str]:
    """The arguments of the route that are ids of rows."""
    return sorted(name for name in rule.arguments if name.endswith("_id"))


def others_in(rule: Rule) -> dict[str, Any]:
    """Something for every argument of the route that is no id."""
    values: dict[str, Any] = {}
    for name in rule.arguments - set(ids_in(rule)):
        converter = rule._converters[name]
        offered = sorted(getattr(converter, "items", ()))
        values[name] = offered[0] if offered else 1 if converter.__class__.__name__ == "IntegerConverter" else "x"
    return values


def row_of(world: World, model: type[Any], owner: Actor, *, is_live: bool) -> Any:
    """One row of `owner`'s, made once."""
    key = (model.__name__, owner.user_id, is_live)
    if key not in world.made:
        world.made[key] = kind_of(model).make(world, owner, is_live)
        world.session.flush()
    return world.made[key]


def can_see(world: World, model: type[Any], row_id: Any, actor: Actor) -> bool:
    kind = kind_of(model)
    query = sa.select(kind.key).where(kind.key == row_id, kind.visible_to(actor))
    return world.session.scalar(query) is not None


def request(app: Studio, world: World, person: User | None, method: str, address: str) -> Any:
    """The answer to one request in a browser of its own; what it changed is undone."""
    undo = world.session.connection().begin_nested()
    try:
        client: FlaskClient = app.test_client()
        if person is not None:
            signed_in(client, person)
            with client.session_transaction() as cookie:
                # The password was given a moment ago: pages that ask for it again are walked as well.
                cookie["fs_paa"] = time.time()
        data = None if method == "GET" else {"csrf_token": token_of(client)}
        answer = client.open(address, method=method, data=data)
        # Streamed answers are read before what they read from is undone.
        answer.get_data()
        return answer
    finally:
        undo.rollback()


def routes(app: Studio) -> list[tuple[Rule, str]]:
    return [
        (rule, method)
        for rule in sorted(app.url_map.iter_rules(), key=str)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


class TestEveryRoute:
    def test_declares_a_permission_or_is_on_the_list_of_public_ones(self, app):
        for rule in app.url_map.iter_rules():
            declared = route_permission(app, rule.endpoint)
            assert bool(declared) != is_public(app, rule.endpoint), f"{rule} must be one of the two."
        assert {rule.endpoint for rule in app.url_map.iter_rules() if is_public(app, rule.endpoint)} == PUBLIC

    def test_changes_nothing_by_reading(self, app):
        """No route that a link or a picture can reach is named like a change."""
        verbs = (
            "delete",
            "archive",
            "restore",
            "suspend",
            "approve",
            "reject",
            "retry",
            "cancel",
            "confirm",
            "resolve",
        )
        for rule, method in routes(app):
            if rule.rule.rsplit("/", 1)[-1] in verbs and method == "GET":
                assert "POST" in (rule.methods or set()), f"{rule} changes something by GET."

    def test_refuses_a_post_without_a_token(self, app, world):
        person = accounts.make_user(world.session, *RoleName)
        client = signed_in(app.test_client(), person)
        for rule, method in routes(app):
            if method == "GET":
                continue
            values = others_in(rule) | {name: uuid4() for name in ids_in(rule)}
            with app.test_request_context():
                address = app.url_map.bind("localhost").build(rule.endpoint, values)
            answer = client.open(address, method=method, data={})
            assert answer.status_code == 400, f"{method} {address} was answered {answer.status_code} without a token."


@pytest.mark.parametrize("who", PEOPLE)
class TestEveryPerson:
    def test_gets_what_the_table_says_and_no_more(self, app, world, who):
        roles = PEOPLE[who]
        person = None if roles is None else accounts.make_user(world.session, *roles)
        if who == "a suspended creator":
            person.status, person.suspended_at = UserStatus.SUSPENDED, world.now
            world.session.flush()
        is_in = person is not None and person.active
        actor = person.actor if is_in else NOBODY
        stranger = accounts.make_actor(world.session, RoleName.CREATOR)
        wrong = []
        for rule, method in routes(app):
            permission = route_permission(app, rule.endpoint)
            for told, values, is_seen, is_own in self._variants(app, world, rule, actor, stranger):
                address = app.url_map.bind("localhost").build(rule.endpoint, values)
                answer = request(app, world, person, method, address)
                complaint = self._complaint(
                    answer,
                    method=method,
                    is_in=is_in,
                    actor=actor,
                    permission=permission,
                    is_seen=is_seen,
                    is_own=is_own or rule.endpoint in MEANT_FOR_OTHERS,
                )
                if complaint:
                    wrong.append(f"{method} {rule} ({told}): {complaint}")
        assert not wrong, f"As {who}:\n" + "\n".join(wrong)

    def _variants(
        self, app: Studio, world: World, rule: Rule, actor: Actor, stranger: Actor
    ) -> Iterator[tuple[str, dict[str, Any], bool, bool]]:
        """What to fill the address with: how it is told, the values, whether they may be seen, whether they are own."""
        others, names = others_in(rule), ids_in(rule)
        if not names:
            yield "no row", others, True, True
            return
        models = {name: model_of(app, rule, name) for name in names}
        owners = [("a stranger's", stranger, False), ("a stranger's live", stranger, True)]
        if RoleName.CREATOR in actor.roles:
            owners.append(("own", actor, False))
        for told, owner, is_live in owners:
            ids = {name: row_of(world, model, owner, is_live=is_live) for name, model in models.items()}
            is_seen = all(can_see(world, models[name], ids[name], actor) for name in names)
            yield told, others | ids, is_seen, owner is actor
        missing = {name: uuid4().hex if model is ErrorGroup else uuid4() for name, model in models.items()}
        yield "none", others | missing, False, False

    def _complaint(
        self, answer: Any, *, method: str, is_in: bool, actor: Actor, permission: Any, is_seen: bool, is_own: bool
    ) -> str | None:
        status = answer.status_code
        # `/readyz` says 503 on purpose: no worker runs here.
        if status >= 500 and not (permission is None and status == 503):
            return f"answered {status}"
        if permission is None:
            return None
        if not is_in:
            is_right = status == 302 and (answer.location or "").startswith("/sign-in")
            told = "to who is not signed in"
        elif not allows(actor, permission):
            is_right, told = status == 403, f"without {', '.join(permission)}"
        elif not is_seen:
            is_right, told = status == 404, "for a row that is not theirs to see"
        else:
            is_change = method == "POST" and status < 400
            is_right = not (is_change and not is_own and actor.roles == {RoleName.CREATOR})
            told = "to a change of what is somebody else's"
        return None if is_right else f"answered {status} {told}"
