"""How often a password or a code may be tried: counted where an attacker cannot choose the counter.

Failures are counted, never successes. Whoever signed in on a browser before has a counter of their own
there, which nobody else can fill; strangers share counters per address, per account and address, and
per account. So guessing is slow, and keeping a person out of their own browser is impossible.
"""

import hashlib
import ipaddress
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from time import time
from typing import Any

from flask import Flask, Response, current_app, g, make_response, request, session
from flask_limiter import Limiter, RequestLimit
from itsdangerous import BadData, URLSafeTimedSerializer

from studio.accounts import rules

_EXTENSION = "studio.throttle"
_DEVICE_COOKIE = "known_device"
_DEVICE_LASTS = timedelta(days=180)
_MOST_ACCOUNTS_PER_DEVICE = 5

PAIR = "5 per minute; 20 per hour; 60 per day"
"""Failures by one address at one account: the wait grows from a minute to a day."""
ACCOUNT = "30 per 5 minutes"
"""Failures at one account from everywhere: short, since a crowd of strangers can cause it."""
ADDRESS = "60 per 10 minutes; 300 per day"
"""Failures by one address at all accounts."""

Breached = Callable[[int], Response]
"""Makes the answer to a person who must wait so many seconds."""


def install(app: Flask, *, redis_url: str | None) -> Limiter:
    """Count in Redis, so that all processes agree; in this process's memory while Redis is away."""
    limiter = Limiter(
        key_func=address,
        app=app,
        storage_uri=_storage_uri(redis_url),
        storage_options={"socket_connect_timeout": 1, "socket_timeout": 1} if redis_url else {},
        strategy="moving-window",
        in_memory_fallback_enabled=True,
        swallow_errors=True,
        key_prefix="throttle",
    )
    app.extensions[_EXTENSION] = limiter
    # All limits are on forms that are sent; a page that is only looked at is not searched for some.
    looks: list[Any] = app.before_request_funcs[None]
    look = looks.pop(looks.index(limiter._check_request_limit))  # noqa: SLF001 - It has no such switch.
    looks.append(lambda: look() if request.method == "POST" else None)
    return limiter


def protect(app: Flask, endpoint: str, *, account: Callable[[], str], breached: Breached) -> None:
    """Limit failed POSTs to `endpoint`; the view tells of a failure by `failed()`."""
    view = app.view_functions[endpoint]
    for limit in _limits(app.extensions[_EXTENSION], account=account, breached=breached):
        view = limit(view)
    app.view_functions[endpoint] = view


def attempts_by_person(user_id: object, *, breached: Breached) -> AbstractContextManager[Any]:
    """Limit failed attempts that a person who is signed in makes within a view of their own."""
    limiter: Limiter = current_app.extensions[_EXTENSION]
    limit: AbstractContextManager[Any] = limiter.limit(
        PAIR, key_func=lambda: f"person:{user_id}", deduct_when=_has_failed, on_breach=_answer(breached)
    )
    return limit


def failed() -> None:
    """Count this request as a failed attempt."""
    g.attempt_failed = True


def address() -> str:
    """The address that the request came from, by the socket or by exactly the trusted proxies.

    Of an IPv6 address the first 64 bits: the rest is the client's to choose.
    """
    try:
        found = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        # A socket in the file system has no address.
        return "local"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def account_key(name: str) -> str:
    """The counter's name for an account; addresses of people do not lie about in Redis."""
    return hashlib.sha256(rules.one_line_email(name).encode(errors="replace")).hexdigest()[:32]


def remember_device(response: Response, account: str) -> Response:
    """Give this browser a counter of its own for `account`, after a complete sign-in."""
    known = [account, *(other for other in _known_accounts() if other != account)][:_MOST_ACCOUNTS_PER_DEVICE]
    response.set_cookie(
        _DEVICE_COOKIE,
        str(_device_serializer().dumps(known)),
        max_age=_DEVICE_LASTS,
        httponly=True,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        samesite="Lax",
    )
    return response


def is_known_device(account: str) -> bool:
    """Whether `account` was signed in to on this browser before."""
    return account in _known_accounts()


def _limits(limiter: Limiter, *, account: Callable[[], str], breached: Breached) -> list[Any]:
    def pair() -> str:
        key = account()
        # The cookie's signature cannot be guessed: its counter is this browser's alone.
        return f"device:{key}:{request.cookies[_DEVICE_COOKIE][-40:]}" if is_known_device(key) else f"{key}:{address()}"

    def by_account() -> str:
        return f"account:{account()}"

    def is_known() -> bool:
        return is_known_device(account())

    common: dict[str, Any] = {
        "methods": ["POST"],
        "deduct_when": _has_failed,
        "on_breach": _answer(breached),
        "override_defaults": False,
    }
    return [
        limiter.limit(PAIR, key_func=pair, **common),
        limiter.limit(ACCOUNT, key_func=by_account, exempt_when=is_known, **common),
        limiter.limit(ADDRESS, key_func=address, exempt_when=is_known, **common),
    ]


def _has_failed(_response: Response) -> bool:
    return bool(g.get("attempt_failed", False))


def _answer(breached: Breached) -> Callable[[RequestLimit], Response]:
    def answer(limit: RequestLimit) -> Response:
        seconds = max(1, int(limit.reset_at - time()) + 1)
        response = make_response(breached(seconds), 429)
        response.headers["Retry-After"] = str(seconds)
        return response

    return answer


def _known_accounts() -> list[str]:
    cookie = request.cookies.get(_DEVICE_COOKIE)
    if not cookie:
        return []
    try:
        known = _device_serializer().loads(cookie, max_age=int(_DEVICE_LASTS.total_seconds()))
    except BadData:
        return []
    return [str(account) for account in known] if isinstance(known, list) else []


def _device_serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        str(current_app.secret_key), salt="studio.known_device", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _storage_uri(redis_url: str | None) -> str:
    if not redis_url:
        return "memory://"
    return redis_url.replace("unix://", "redis+unix://", 1) if redis_url.startswith("unix://") else redis_url


def pending_account() -> str:
    """The account whose password was given and whose code is asked for."""
    pending = session.get("second_factor") or {}
    return account_key(str(pending.get("user", "")))
