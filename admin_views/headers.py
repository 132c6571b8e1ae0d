"""Headers of every answer: what the browser may load and run, and what it tells others."""

from flask import Flask, Response, request

_DIRECTIVES = (
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    # Tabler draws check marks and arrows with data: pictures; a picture cannot run anything.
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    # What scripts put into the page goes through the policies in `studio/static/trusted.js`.
    "require-trusted-types-for 'script'",
    "trusted-types default greenroom",
)

CONTENT_SECURITY_POLICY = "; ".join(_DIRECTIVES)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


_SET = [(name, name.lower(), value) for name, value in _HEADERS.items()]


def init_headers(app: Flask) -> None:
    """Have every answer carry the headers; a view's own stay as they are."""

    @app.after_request
    def add(response: Response) -> Response:
        own = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - Headers iterate over pairs.
        response.headers.extend([(name, value) for name, lower, value in _SET if lower not in own])
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint == "static" and "v" in request.args and response.status_code < 400:  # noqa: PLR2004
            # The address changes with the file (`asset` in templates), so it need never be asked for again.
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        if response.mimetype == "text/html":
            # Pages are for one person, and "back" after signing out shows nothing.
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
