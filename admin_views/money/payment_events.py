"""Where payment providers tell what happened: public, signed, bounded, and the same told twice is true once."""

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import RequestEntityTooLarge

from admin_views.access import declare_public
from admin_views.resources import request_session, resources
from studio.kit.clock import utc_now
from studio.market.money import payments, policy, unheard
from studio.market.money.errors import UnheardProviderError
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
    """One event of the provider that is configured, or of a former one whose settings are there; unsigned ones change nothing (400).

    Of a former one whose settings are gone nothing can be believed: staff read that it told something, and it is asked to
    tell it again (503).
    """
    shared = resources()
    if (request.content_length or 0) > MOST_BODY:
        raise RequestEntityTooLarge
    request.max_content_length = MOST_BODY
    told_by = shared.payments_through(provider)
    if told_by is None:
        with shared.own_session() as session:
            is_ours = unheard.note(session, provider=provider, now=utc_now())
        if is_ours:
            raise UnheardProviderError
        raise UnsignedEventError
    if told_by.is_local and provider != shared.settings.payments_provider:
        # Nothing is bought with test money where real money is taken, however it was begun.
        raise UnsignedEventError
    outcome = payments.receive(
        request_session(),
        provider=told_by,
        body=request.get_data(cache=False),
        signature=request.headers.get("Stripe-Signature") or request.headers.get("X-Signature") or "",
        policy=policy.from_settings(shared.settings),
        now=utc_now(),
    )
    return {"outcome": outcome.value}
