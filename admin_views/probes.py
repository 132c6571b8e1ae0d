"""Two addresses for machines: whether the process lives, and whether the studio is ready for people."""

from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue

from admin_views.access import declare_public
from admin_views.resources import request_session, resources
from studio.kit.clock import utc_now
from studio.operations import health

blueprint = Blueprint("probes", __name__)


def init_probes(app: Flask) -> None:
    """Answer at /healthz and /readyz, without signing in."""
    app.register_blueprint(blueprint)
    declare_public(app, ("probes.live", "probes.ready"))


@blueprint.get("/healthz")
def live() -> ResponseReturnValue:
    """The process answers."""
    return jsonify(health.live())


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    """200 where everything that the studio needs answers, else 503; the body says what does not."""
    shared, session = resources(), request_session()
    found = health.ready(session, shared.redis, shared.settings, utc_now())
    # Where the database did not answer, there is nothing left to commit.
    session.rollback()
    return jsonify(found.as_json()), 200 if found.ok else 503
