"""What a person sees when something is refused or breaks: a sentence, what to do next, a reference."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from flask import Flask, Response, current_app, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from admin_views.access import is_fragment
from admin_views.authoring import in_trash
from admin_views.forms import sentence
from admin_views.resources import resources
from admin_views.session import current_actor
from studio.kit.clock import utc_now
from studio.kit.context import request_id
from studio.kit.errors import NotFoundError, StudioError
from studio.operations import error_log
from studio.operations.models import ErrorSource

_TOLD = ("Allow", "Content-Range")
"""What a browser is told beside the page: what the address takes, and how long the file is of which it wanted a part."""


def init_errors(app: Flask) -> None:
    """Have refusals, wrong addresses and mistakes of ours answered by pages of ours."""
    app.register_error_handler(StudioError, _refusal)
    app.register_error_handler(CSRFError, _stale_token)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unhandled)


def _refusal(error: StudioError) -> ResponseReturnValue:
    trashed = in_trash.find() if isinstance(error, NotFoundError) else None
    if trashed is None:
        return answer(error.status, sentence(error))
    if is_fragment() or _wants_json():
        return answer(in_trash.GONE, in_trash.sentence(trashed))
    return in_trash.page(trashed), in_trash.GONE


def _stale_token(_error: CSRFError) -> ResponseReturnValue:
    text = _("This page was open for too long, or in another sign-in. Go back, reload it, and send it again.")
    return answer(400, text)


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if error.response is not None or status < 400:  # noqa: PLR2004 - Redirects are answers, not errors.
        return error.get_response()
    response = answer(status, _sentences().get(status, _("The server could not do that.")))
    told = dict(error.get_headers())
    for name in _TOLD:
        if name in told:
            response.headers[name] = told[name]
    return response


def _sentences() -> Mapping[int, str]:
    return {
        400: _("The server did not understand this request. Go back and try again."),
        401: _("Sign in first."),
        403: _("Your roles do not allow this."),
        404: _("This does not exist, or is not yours to see."),
        405: _("This address cannot be used like that. Go back and use the button again."),
        413: _("That is too large. Files may have up to %(most)d MB.", most=_most_megabytes()),
        415: _("The server does not take this kind of content."),
        416: _("The file has no such part."),
        429: _("Too many attempts. Wait a little, then try again."),
        503: _("The database does not answer just now. Nothing was lost; try again in a moment."),
    }


def _unhandled(error: Exception) -> ResponseReturnValue:
    reference = _record(error)
    return answer(
        500,
        _("Something went wrong on our side. Nothing of what you did just now was saved."),
        reference=reference,
    )


def _record(error: Exception) -> str:
    """Keep the error where staff find it, in a transaction of its own, and return its reference."""
    shared, person_id = resources(), _person_id()
    # The request's connection goes back first: under load there may be no second one.
    shared.db.session.rollback()
    return error_log.report(
        # A test's connection takes the engine's place; a session is made on either.
        cast("sa.Engine", shared.engine),
        data=shared.settings.data,
        error=error,
        source=ErrorSource.REQUEST,
        place=f"{request.method} {request.url_rule or ''}".strip(),
        user_id=person_id,
        now=utc_now(),
    )


def _person_id() -> UUID | None:
    try:
        return current_actor().user_id
    except Exception:  # noqa: BLE001 - The database may be what is broken.
        return None


def answer(status: int, text: str, *, reference: str | None = None) -> Response:
    """The answer to a request that failed: JSON, a part of a page, or a page, as it was asked for."""
    if _wants_json():
        body: dict[str, Any] = {"error": text, "request_id": request_id.get()}
        if reference:
            body["reference"] = reference
        response = jsonify(body)
    else:
        template = "errors/fragment.html" if is_fragment() else "errors/page.html"
        # The navigation needs the database, which may be what does not answer.
        g.is_plain = status >= 500  # noqa: PLR2004
        response = current_app.make_response(
            render_template(template, status=status, sentence=text, reference=reference, back=_way_back())
        )
        if is_fragment():
            response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#toasts", "beforeend"
            # Whoever asked for a part of a page gets the sentence all the same.
            response.headers["HX-Reselect"] = ".toast-item"
    response.status_code = status
    return response


def _way_back() -> str | None:
    """The page of ours from whose form or link a refused request came."""
    came_from = request.referrer or ""
    here = request.host_url
    return (
        f"/{came_from.removeprefix(here).lstrip('/')}"
        if came_from.startswith(here) and came_from != request.url
        else None
    )


def _wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _most_megabytes() -> int:
    return int((current_app.config["MAX_CONTENT_LENGTH"] or 0) // (1024 * 1024))
