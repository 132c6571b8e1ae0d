"""The cookie of a session: signed and sent again when its content changed, or now and then so that its time runs anew."""

from datetime import UTC, datetime, timedelta

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature

SENT_AGAIN_AFTER = timedelta(minutes=10)
"""A session that is used lasts at least its whole time less this."""


class DatedSession(SecureCookieSession):
    """A session that knows when its cookie was signed; None where it has none yet."""

    signed_at: datetime | None = None


class LastingSessions(SecureCookieSessionInterface):
    """Flask's signed cookies, which it would sign and send with every answer of a lasting session."""

    session_class = DatedSession

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
            kept, signed_at = serializer.loads(cookie, max_age=longest, return_timestamp=True)
        except BadSignature:
            return DatedSession()
        session = DatedSession(kept)
        session.signed_at = signed_at
        return session

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Whether the content changed, or the cookie is so old that its time should run anew."""
        if session.modified or not isinstance(session, DatedSession) or session.signed_at is None:
            return super().should_set_cookie(app, session)
        return session.permanent and datetime.now(UTC) - session.signed_at > SENT_AGAIN_AFTER
