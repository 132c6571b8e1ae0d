"""The cookie of a session: signed and sent again when its content changed, or now and then so that its time runs anew."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeTimedSerializer

SENT_AGAIN_AFTER = timedelta(minutes=10)
"""A session that is used lasts at least its whole time less this."""

_MOST_REMEMBERED = 1_000
"""Cookies of some hundred letters each."""


class DatedSession(SecureCookieSession):
    """A session that knows when its cookie was signed; None where it has none yet."""

    signed_at: datetime | None = None


class LastingSessions(SecureCookieSessionInterface):
    """Flask's signed cookies, which it would sign and send with every answer of a lasting session.

    A cookie whose signature was found right is remembered, by all of its letters, with the moment of the signature: the
    next page's is not reckoned again. Its age is looked at, and its content read, every time.
    """

    session_class = DatedSession

    def __init__(self) -> None:
        self._serializers: dict[Any, URLSafeTimedSerializer] = {}
        self._signed: OrderedDict[tuple[int, str], datetime] = OrderedDict()

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The one of the app's present keys; Flask makes one for every request."""
        keys = (app.secret_key, *(app.config["SECRET_KEY_FALLBACKS"] or ()))
        if keys not in self._serializers:
            made = super().get_signing_serializer(app)
            if made is None:
                return None
            self._serializers[keys] = made
        return self._serializers[keys]

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session that the cookie holds; an empty one where it is missing, too old, or not ours."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        cookie = request.cookies.get(self.get_cookie_name(app))
        if not cookie:
            return DatedSession()
        longest = int(app.permanent_session_lifetime.total_seconds())
        try:
            kept, signed_at = self._opened(serializer, cookie, longest)
        except BadSignature:
            return DatedSession()
        session = DatedSession(kept)
        session.signed_at = signed_at
        return session

    def _opened(self, serializer: URLSafeTimedSerializer, cookie: str, longest: int) -> tuple[Any, datetime]:
        key = (id(serializer), cookie)
        signed_at = self._signed.get(key)
        if signed_at is None or (datetime.now(UTC) - signed_at).total_seconds() > longest:
            kept, signed_at = serializer.loads(cookie, max_age=longest, return_timestamp=True)
            self._signed[key] = signed_at
            while len(self._signed) > _MOST_REMEMBERED:
                self._signed.popitem(last=False)
            return kept, signed_at
        return serializer.load_payload(cookie.rsplit(".", 2)[0].encode()), signed_at

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Whether the content changed, or the cookie is so old that its time should run anew."""
        if session.modified or not isinstance(session, DatedSession) or session.signed_at is None:
            return super().should_set_cookie(app, session)
        return session.permanent and datetime.now(UTC) - session.signed_at > SENT_AGAIN_AFTER
