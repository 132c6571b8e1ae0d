"""Signing in: Flask-Security on our own rows, in the request's one transaction, with pages of our own."""

from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask, Response, after_this_request, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import user_logged_out
from flask_security import LoginForm, Security, SQLAlchemyUserDatastore, VerifyForm, user_authenticated
from flask_security.tf_plugin import TfPlugin
from flask_security.utils import check_and_update_authn_fresh
from sqlalchemy.orm import Session, defer, joinedload, lazyload, undefer
from wtforms import EmailField, PasswordField

from admin_views.access import declare_public, to_sign_in
from admin_views.accounts import sign_in_pages, throttle
from admin_views.accounts.labels import role_label
from admin_views.preferences import local_target
from admin_views.resources import Resources, resources
from admin_views.row_net import SCOPED
from admin_views.session import current_person, remember_actor
from studio.accounts import demo_accounts, passwords, queries, rules, second_factor, sessions
from studio.accounts.models import Role, User, user_roles
from studio.accounts.permissions import Actor, RoleName
from studio.kit.clock import utc_now

_TOKEN = "token"  # noqa: S105 - The name under which a session's cookie keeps its own.
FRESH_FOR = timedelta(minutes=30)
"""So long after giving the password, sensitive pages do not ask for it again."""


_SELDOM_READ = (
    User.legacy_id,
    User.suspension_reason,
    User.confirmed_at,
    User.last_login_at,
    User.current_login_at,
    User.last_login_ip,
    User.current_login_ip,
    User.login_count,
    User.preferred_languages,
    User.content_filters,
    User.privacy_settings,
    User.notification_prefs,
    User.subscription_features,
    User.created_at,
    User.updated_at,
)
"""What no page needs of the person who asks for it, but their own and the one after signing in; read when asked for."""


class People(SQLAlchemyUserDatastore):
    """Flask-Security's way to people; the request's transaction is not its to commit."""

    def commit(self) -> None:
        """Flush only: one request is one transaction."""
        self.db.session.flush()

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Flask-Security's signature.
        """The person with this one value, roles included, in one statement."""
        ((name, value),) = kwargs.items()
        if name == "fs_uniquifier":
            return _person_of_session(self.db.session(), str(value))
        column = getattr(User, name)
        is_it = sa.func.lower(column) == str(value).lower() if case_insensitive else column == value
        return (
            self.db.session.scalars(sa.select(User).options(joinedload(User.roles)).where(is_it)).unique().one_or_none()
        )


_OF_SESSION = (
    sa.select(
        User,
        sa.select(sa.func.array_agg(Role.name))
        .join(user_roles, user_roles.c.role_id == Role.id)
        .where(user_roles.c.user_id == User.id)
        .correlate(User)
        .scalar_subquery(),
    )
    .options(lazyload(User.roles), *map(defer, _SELDOM_READ))
    .where(User.fs_uniquifier == sa.bindparam("person"), ~sessions.is_ended(sa.bindparam("session", type_=sa.Text())))
    .execution_options(**SCOPED)
)
"""The person whose session it is, and their roles' names: asked on every page, so as little as serves."""


def _person_of_session(db: Session, person: str) -> User | None:
    row = db.execute(_OF_SESSION, {"person": person, "session": session.get(_TOKEN)}).one_or_none()
    if row is None:
        return None
    user: User = row[0]
    remember_actor(Actor(user_id=user.id, roles=frozenset(map(RoleName, row[1] or ())), name=user.name))
    return user


class SignInForm(LoginForm):
    """Address and password; whatever is wrong with them, the answer and its time are the same."""

    email = EmailField(_l("E-mail address"), render_kw={"autocomplete": "username", "autofocus": True})
    password = PasswordField(_l("Password"), render_kw={"autocomplete": "current-password"})
    remember = None

    def validate(self, **_kwargs: Any) -> bool:
        """Find the person and prove the password, or leave one sentence in `form_errors`."""
        if not super(LoginForm, self).validate():
            return False
        email, password = str(self.email.data or "").strip(), str(self.password.data or "")
        if not email or not password:
            self.form_errors.append(_("Write your e-mail address and your password."))
            return False
        user = _find_for_sign_in(email)
        if not _proves(user, password) or user is None:
            throttle.failed()
            self.form_errors.append(_("This e-mail address and password do not go together."))
            return False
        if not user.active:
            # Only who knows the password learns of the suspension.
            self.form_errors.append(_("This account is suspended. Ask an admin of this studio."))
            return False
        person: Any = user
        self.user = person
        return True


class ProofForm(VerifyForm):
    """The password once more, before something sensitive."""

    password = PasswordField(_l("Password"), render_kw={"autocomplete": "current-password", "autofocus": True})

    def validate(self, **_kwargs: Any) -> bool:
        """Prove the password of the person signed in."""
        if not super(VerifyForm, self).validate():
            return False
        person: Any = self.user
        if not _proves(person, str(self.password.data or "")):
            throttle.failed()
            self.password.errors = [_("This is not your password.")]
            return False
        return True


class SecondFactor(TfPlugin):
    """Between the password and the session: the person's code, where they have set up an authenticator."""

    def tf_enter(
        self,
        user: Any,
        remember_me: bool | None,  # noqa: ARG002, FBT001 - Flask-Security's signature.
        primary_authn_via: str,  # noqa: ARG002
        next_loc: str | None,  # noqa: ARG002
    ) -> Any:
        """Send who has a second factor to the page that asks for it; let everybody else pass."""
        if not second_factor.has_second_factor(user):
            return None
        # Without a wish, Flask-Security gives the address of the sign-in page itself.
        wanted = request.form.get("next") or request.args.get("next")
        return sign_in_pages.ask_for_code(user, next_url=local_target(wanted))


def init_sign_in(app: Flask, shared: Resources) -> Security:
    """Have people sign in and out, prove themselves again, give codes and use password links."""
    settings = shared.settings
    is_https = (settings.public_url or "").startswith("https://")
    app.config.update(
        SESSION_COOKIE_NAME="__Host-greenroom" if is_https else "greenroom",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_https,
        PERMANENT_SESSION_LIFETIME=sessions.LASTS,
        SECURITY_LOGIN_URL="/sign-in",
        SECURITY_LOGOUT_URL="/sign-out",
        SECURITY_VERIFY_URL="/prove",
        SECURITY_STATIC_FOLDER=None,
        SECURITY_FLASH_MESSAGES=False,
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_REGISTERABLE=False,
        SECURITY_RECOVERABLE=False,
        SECURITY_CHANGEABLE=False,
        SECURITY_TWO_FACTOR=False,
        SECURITY_TRACKABLE=True,
        SECURITY_DATETIME_FACTORY=utc_now,
        SECURITY_FRESHNESS=FRESH_FOR,
        SECURITY_FRESHNESS_GRACE_PERIOD=timedelta(minutes=10),
        SECURITY_API_ENABLED_METHODS=["session"],
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106 - The name of a scheme.
        SECURITY_PASSWORD_SCHEMES=["argon2", "bcrypt"],
        # Hashing is `studio.accounts.passwords`'s; this keeps Flask-Security from peppering what it hashes itself.
        SECURITY_PASSWORD_SINGLE_HASH=True,
        SECURITY_PASSWORD_LENGTH_MIN=rules.SHORTEST_PASSWORD,
        SECURITY_POST_LOGIN_VIEW="/",
        SECURITY_POST_LOGOUT_VIEW="/sign-in",
        SECURITY_CLI_USERS_NAME=False,
        SECURITY_CLI_ROLES_NAME=False,
        WTF_CSRF_TIME_LIMIT=None,
    )
    user_model, role_model = cast("tuple[Any, Any]", (User, Role))
    security = Security(app, People(shared.db, user_model, role_model), login_form=SignInForm, verify_form=ProofForm)
    security.two_factor_plugins = SecondFactor()
    # Flask-Principal would look the person up before every view, and nothing here asks it.
    app.before_request_funcs[None].remove(security.principal._on_before_request)  # noqa: SLF001 - It has no switch.
    # Without this, a token in any request's header or address would be a second, unlimited way in.
    security.login_manager.request_loader(lambda _request: None)
    security.want_json(lambda _request: False)
    security.unauthn_handler(_to_sign_in)
    security.login_context_processor(_login_context)
    user_authenticated.connect(_signed_in, app)
    user_logged_out.connect(_signed_out, app)

    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    throttle.install(app, redis_url=redis_url)
    app.register_blueprint(sign_in_pages.blueprint)
    throttle.protect(app, "security.login", account=_typed_account, breached=_login_breached)
    throttle.protect(app, "security.verify", account=_own_account, breached=sign_in_pages.wait_page)
    throttle.protect(app, "sign_in.code", account=throttle.pending_account, breached=sign_in_pages.wait_page)
    declare_public(
        app,
        ("security.login", "security.logout", "security.verify", "sign_in.code", "sign_in.new_password"),
    )
    return security


def is_fresh() -> bool:
    """Whether the person gave their password lately enough for something sensitive."""
    return bool(check_and_update_authn_fresh(FRESH_FOR, timedelta(minutes=10), "session"))


def ask_for_proof(back_to: str) -> ResponseReturnValue:
    """The way to the page that asks for the password again, and from there to `back_to`."""
    return redirect(url_for("security.verify", next=back_to), 303)


def _find_for_sign_in(email: str) -> User | None:
    found = resources().db.session.scalars(
        sa.select(User)
        .options(joinedload(User.roles), undefer(User.password))
        .where(sa.func.lower(User.email) == rules.one_line_email(email))
    )
    user: User | None = found.unique().one_or_none()
    return user


def _proves(user: User | None, password: str) -> bool:
    """Whether `password` opens this account; as slow for nobody as for somebody. An old hash is made anew."""
    may_sign_in = user is not None and (resources().settings.demo or not user.is_demo)
    stored = user.password if user is not None and may_sign_in else None
    if len(password) > rules.LONGEST_PASSWORD or not passwords.matches(password, stored):
        return False
    if user is not None and stored is not None and passwords.is_outdated(stored):
        user.password = passwords.hashed(password)
    return True


def _signed_in(_app: Flask, user: User, **_extra: Any) -> None:
    session.permanent = True
    session[_TOKEN] = sessions.fresh_token()
    account = throttle.account_key(user.email)
    after_this_request(lambda response: throttle.remember_device(response, account))


def _signed_out(_app: Flask, **_extra: Any) -> None:
    # Cookies cannot be called back: one that somebody copied is still signed.
    token = session.pop(_TOKEN, None)
    if token is not None:
        sessions.end(resources().db.session(), token=token, now=utc_now())


def _to_sign_in(*_args: Any, **_kwargs: Any) -> Any:
    return to_sign_in()


def _login_context() -> dict[str, Any]:
    if not resources().settings.demo:
        return {"demo_users": [], "demo_password": None, "role_label": role_label}
    return {
        "demo_users": queries.list_demo_users(resources().db.session()),
        "demo_password": demo_accounts.PASSWORD,
        "role_label": role_label,
    }


def _typed_account() -> str:
    return throttle.account_key(request.form.get("email", ""))


def _own_account() -> str:
    person = current_person()
    return throttle.account_key(person.email if person else "")


def _login_breached(seconds: int) -> Response:
    form = SignInForm(formdata=request.form)
    form.form_errors.append(sign_in_pages.wait_sentence(seconds))
    return Response(render_template("security/login_user.html", login_user_form=form, **_login_context()))
