"""Walks every route as every kind of person, with own rows, other people's rows, and rows that do not exist.

A new route is walked with no change here. Only a route about a kind of row that
no route was about before needs a line in `walked_rows.KINDS`.
"""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from admin_views.access import allows, is_public, route_permission
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import NOBODY, Actor, RoleName
from studio.app import Studio, create_app
from studio.operations.models import ErrorGroup
from tests.admin_views.conftest import signed_in, token_of
from tests.architecture.walked_rows import ARGUMENTS, KINDS, Kind, World
from tests.factories import accounts

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
def app(settings, session, redis_client, compiled_templates) -> Iterator[Studio]:
    app = create_app(settings, connection=session.connection())
    app.jinja_env.bytecode_cache = compiled_templates
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
        assert found is not None, f"{rule} is about {argument}: say in ARGUMENTS of walked_rows which table that is."
        return found
    views = [view for admin in app.extensions["admin"] for view in admin._views]
    return next(view.model for view in views if view.endpoint == rule.endpoint.rpartition(".")[0])


def kind_of(model: type[Any]) -> Kind:
    """How to make a row of the table."""
    found = next((kind for kind in KINDS if kind.model is model), None)
    assert found is not None, f"Say in KINDS of walked_rows how a {model.__name__} is made and who may see it."
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


def kept_by_browser(app: Studio, person: User | None) -> tuple[str, str]:
    """The cookie of a browser in which `person` has just signed in, and the token that its forms carry."""
    client = app.test_client()
    if person is not None:
        signed_in(client, person)
        with client.session_transaction() as cookie:
            # The password was given a moment ago: pages that ask for it again are walked as well.
            cookie["fs_paa"] = time.time()
    token = token_of(client)
    kept = client.get_cookie(app.session_interface.get_cookie_name(app))
    assert kept is not None
    return kept.value, token


def request(app: Studio, world: World, kept: tuple[str, str], method: str, address: str) -> Any:
    """The answer to one request in a browser of its own, which has `kept` that; what it changed is undone."""
    undo = world.session.connection().begin_nested()
    try:
        client: FlaskClient = app.test_client()
        cookie, token = kept
        client.set_cookie(app.session_interface.get_cookie_name(app), cookie)
        answer = client.open(address, method=method, data=None if method == "GET" else {"csrf_token": token})
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
        changing = {rule.rule for rule, method in routes(app) if method == "POST"}
        for rule, method in routes(app):
            if rule.rule.rsplit("/", 1)[-1] in verbs and method == "GET":
                # Reading such an address asks, or leads back; the change itself is a POST to the same address.
                assert rule.rule in changing, f"{rule} changes something by GET."

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
        kept = kept_by_browser(app, person)
        wrong = []
        for rule, method in routes(app):
            permission = route_permission(app, rule.endpoint)
            for told, values, is_seen, is_own in self._variants(app, world, rule, actor, stranger):
                address = app.url_map.bind("localhost").build(rule.endpoint, values)
                answer = request(app, world, kept, method, address)
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
