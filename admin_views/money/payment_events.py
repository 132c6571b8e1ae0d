"""Where payment providers tell what happened: public, signed, bounded, and the same told twice is true once."""

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import RequestEntityTooLarge

from admin_views.access import declare_public
from admin_views.resources import request_session, resources
from studio.kit.clock import utc_now
from studio.market.money import payments, policy
from studio.providers.payments import UnsignedEventError

MOST_BODY = 512 * 1024
"""No provider's message is longer."""

blueprint = Blueprint("payment_events", __name__)


def init_payment_events(app: Flask, csrf: CSRFProtect) -> None:
    """Answer at /payments/<provider>/events, to whoever signs as the provider does."""
    csrf.exempt(blueprint)
    app.register_blueprint(blueprint)
    declare_public(app, ("payment_events.receive",))


@blueprint.post("/payments/<provider>/events")
def receive(provider: str) -> ResponseReturnValue:
    """One event of the provider that is configured; unsigned ones change nothing (400)."""
    shared = resources()
    if provider != shared.settings.payments_provider:
        raise UnsignedEventError
    if (request.content_length or 0) > MOST_BODY:
        raise RequestEntityTooLarge
    request.max_content_length = MOST_BODY
    configured = shared.payments
    outcome = payments.receive(
        request_session(),
        provider=configured,
        body=request.get_data(cache=False),
        signature=request.headers.get("Stripe-Signature") or request.headers.get("X-Signature") or "",
        policy=policy.from_settings(shared.settings),
        now=utc_now(),
    )
    return {"outcome": outcome.value}
