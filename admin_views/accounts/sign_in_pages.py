"""The pages of signing in that Flask-Security does not have: the code, and the link for a new password."""

import time
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, current_app, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_security.utils import login_user, logout_user
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField

from admin_views.accounts import throttle
from admin_views.preferences import local_target
from admin_views.resources import request_session
from studio.accounts import password_links, second_factor
from studio.accounts.models import User
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError

blueprint = Blueprint("sign_in", __name__)

_CODE_WITHIN = 10 * 60
"""Seconds between the password and the code."""


class CodeForm(FlaskForm):  # type: ignore[misc]
    """The authenticator's present code, or a recovery code."""

    code = StringField(
        _l("Code"),
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "maxlength": 40},
    )


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, typed once: people can look at it before they send it."""

    password = PasswordField(_l("New password"), render_kw={"autocomplete": "new-password", "autofocus": True})


def key() -> bytes:
    """What second factors and password links are derived from."""
    secret = current_app.secret_key or ""
    return secret if isinstance(secret, bytes) else secret.encode()


def ask_for_code(user: User, *, next_url: str) -> ResponseReturnValue:
    """Remember whose password was right, and go to the page that asks for the code; nobody is signed in yet."""
    session["second_factor"] = {"user": user.fs_uniquifier, "at": int(time.time()), "next": next_url}
    return redirect(url_for("sign_in.code"))


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """Sign in who gave the password a moment ago and now gives the code."""
    user = _pending_user()
    if user is None:
        session.pop("second_factor", None)
        return redirect(url_for("security.login"))
    form = CodeForm()
    if form.validate_on_submit():
        typed = str(form.code.data or "")
        if second_factor.check_code(request_session(), user_id=user.id, key=key(), code=typed, now=utc_now()):
            wanted = session.pop("second_factor")["next"]
            open_session(user, via=["password", "authenticator"])
            return redirect(local_target(wanted))
        throttle.failed()
        form.code.errors = [_("This code is not right, or was used already. Wait for the next one and try again.")]
    return render_template("security/code.html", form=form)


@blueprint.route("/new-password/<token>", methods=["GET", "POST"])
def new_password(token: str) -> ResponseReturnValue:
    """Let the person whom an admin gave this link choose a password, and have them sign in with it."""
    db, now = request_session(), utc_now()
    user = password_links.find(db, key=key(), token=token, now=now)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            password_links.use(db, key=key(), token=token, password=str(form.password.data or ""), now=now)
        except InvalidError as error:
            if "password" not in error.fields:
                raise
            form.password.errors = [_(error.msgid)]
        else:
            logout_user()
            return redirect(url_for("security.login"))
    return render_template("security/new_password.html", form=form, person=user)


def open_session(user: Any, *, via: list[str]) -> None:
    """Sign the person in on this browser."""
    login_user(user, authn_via=via)


def wait_page(seconds: int) -> Response:
    """The answer to who tried too often."""
    return Response(render_template("security/wait.html", sentence=wait_sentence(seconds), seconds=seconds))


def wait_sentence(seconds: int) -> str:
    """What a person reads who tried too often."""
    if seconds < 90:  # noqa: PLR2004 - Below a minute and a half, seconds say more.
        text = ngettext(
            "Too many attempts. Try again in %(num)d second.",
            "Too many attempts. Try again in %(num)d seconds.",
            seconds,
        )
        return str(text)
    minutes = -(-seconds // 60)
    text = ngettext(
        "Too many attempts. Try again in %(num)d minute.", "Too many attempts. Try again in %(num)d minutes.", minutes
    )
    return str(text)


def _pending_user() -> User | None:
    pending: dict[str, Any] = session.get("second_factor") or {}
    if not 0 <= time.time() - pending.get("at", 0) <= _CODE_WITHIN:
        return None
    # The text changes with a new password or a suspension, so a stale half of a sign-in is worth nothing.
    user: User | None = request_session().scalar(sa.select(User).where(User.fs_uniquifier == pending.get("user", "")))
    return user if user is not None and user.active and second_factor.has_second_factor(user) else None
