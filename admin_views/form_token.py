"""The token that a page's forms carry against forgery, signed once a minute instead of once a page."""

import time
from functools import lru_cache
from typing import Any

from flask import current_app, g, session
from flask_wtf.csrf import generate_csrf
from itsdangerous import URLSafeTimedSerializer

_A_WHILE = 60
"""Seconds; a token is good for much longer."""


def form_token() -> str:
    """The present session's token, as Flask-WTF makes and reads it."""
    kept = session.get("csrf_token")
    if isinstance(kept, str) and "csrf_token" not in g:
        g.csrf_token = _signed(current_app.secret_key, kept, int(time.time()) // _A_WHILE)
    # Who has no session yet gets one here.
    return str(generate_csrf())


@lru_cache(maxsize=1_000)
def _signed(secret: Any, kept: str, _while: int) -> str:
    made: str = URLSafeTimedSerializer(secret, salt="wtf-csrf-token").dumps(kept)
    return made
