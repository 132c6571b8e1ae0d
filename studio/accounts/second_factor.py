"""The second factor: one-time codes of an authenticator app (TOTP, RFC 6238) and recovery codes.

What the app and the studio share is derived from the studio's key and a random text in the person's
row. Who reads the database alone can make no codes; who changes the key has everybody set up anew.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

import pyotp
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit, queries
from studio.accounts.errors import NoSecondFactorError, WrongCodeError
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.kit.errors import ForbiddenError

METHOD = "authenticator"
ISSUER = "Greenroom"
RECOVERY_CODES = 10
_STEP = 30
_CODE_LENGTH = 6
_DRIFT = (-1, 0, 1)
"""Steps of 30 seconds by which a telephone's clock may be wrong."""


def fresh_seed() -> str:
    """A random text for a new authenticator; it becomes the person's only when a code was confirmed."""
    return secrets.token_hex(20)


def shared_secret(key: bytes, *, user_id: UUID, seed: str) -> str:
    """What the authenticator app is told, in base 32 (160 bits, as RFC 4226 recommends)."""
    digest = hmac.new(key, f"totp:{user_id}:{seed}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:20]).decode()


def setup_address(secret: str, *, email: str) -> str:
    """The otpauth:// address that stands in the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def has_second_factor(user: User) -> bool:
    """Whether signing in asks this person for a code."""
    return user.tf_primary_method == METHOD and bool(user.tf_totp_secret)


def enable(session: Session, *, actor: Actor, key: bytes, seed: str, code: str, now: datetime) -> list[str]:
    """Ask for codes from now on, proved by one `code` of the app; gives the recovery codes, once.

    An earlier authenticator and its recovery codes stop to work. Raises WrongCodeError, and nothing changed.
    """
    user = _own_row(session, actor)
    step = _step_of(shared_secret(key, user_id=user.id, seed=seed), code, now=now, after=None)
    if step is None:
        raise WrongCodeError
    user.tf_primary_method, user.tf_totp_secret, user.tf_last_step = METHOD, seed, step
    codes = _new_recovery_codes(user, key)
    session.flush()
    audit.record(session, actor=actor, action="person.add_second_factor", resource="person", resource_id=user.id)
    return codes


def disable(session: Session, *, actor: Actor) -> None:
    """Ask this person for no code any more. Repeating it is safe."""
    user = _own_row(session, actor)
    if not has_second_factor(user):
        return
    user.tf_primary_method = user.tf_totp_secret = user.tf_last_step = user.mf_recovery_codes = None
    session.flush()
    audit.record(session, actor=actor, action="person.remove_second_factor", resource="person", resource_id=user.id)


def renew_recovery_codes(session: Session, *, actor: Actor, key: bytes) -> list[str]:
    """Ten new recovery codes, shown once; the old ones stop to work. Raises NoSecondFactorError."""
    user = _own_row(session, actor)
    if not has_second_factor(user):
        raise NoSecondFactorError
    codes = _new_recovery_codes(user, key)
    session.flush()
    audit.record(session, actor=actor, action="person.renew_recovery_codes", resource="person", resource_id=user.id)
    return codes


def check_code(session: Session, *, user_id: UUID, key: bytes, code: str, now: datetime) -> bool:
    """Whether `code` is the app's present one (or a recovery code) and was never used before; using it uses it up."""
    user = session.scalar(
        sa.select(User)
        .where(User.id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if user is None or not user.active or user.tf_totp_secret is None:
        return False
    secret = shared_secret(key, user_id=user.id, seed=user.tf_totp_secret)
    step = _step_of(secret, code, now=now, after=user.tf_last_step)
    if step is not None:
        user.tf_last_step = step
        session.flush()
        return True
    return _use_recovery_code(session, user, key=key, code=code)


def _use_recovery_code(session: Session, user: User, *, key: bytes, code: str) -> bool:
    digest = _recovery_digest(key, user.id, code)
    kept = list(user.mf_recovery_codes or [])
    left = [known for known in kept if not hmac.compare_digest(known, digest)]
    if len(left) == len(kept):
        return False
    user.mf_recovery_codes = left
    session.flush()
    audit.record(
        session,
        actor=user.actor,
        action="person.use_recovery_code",
        resource="person",
        resource_id=user.id,
        after={"codes_left": len(left)},
    )
    return True


def _own_row(session: Session, actor: Actor) -> User:
    if actor.user_id is None:
        raise ForbiddenError
    return queries.get_user(session, actor=actor, user_id=actor.user_id, lock=True)


def _step_of(secret: str, code: str, *, now: datetime, after: int | None) -> int | None:
    digits = "".join(code.split())
    if len(digits) != _CODE_LENGTH or not digits.isascii() or not digits.isdigit():
        return None
    totp = pyotp.TOTP(secret, interval=_STEP)
    present = int(now.timestamp()) // _STEP
    for drift in _DRIFT:
        step = present + drift
        if hmac.compare_digest(totp.generate_otp(step), digits) and (after is None or step > after):
            return step
    return None


def _new_recovery_codes(user: User, key: bytes) -> list[str]:
    codes = ["-".join(secrets.token_hex(2) for _ in range(4)) for _ in range(RECOVERY_CODES)]
    user.mf_recovery_codes = [_recovery_digest(key, user.id, code) for code in codes]
    return codes


def _recovery_digest(key: bytes, user_id: UUID, code: str) -> str:
    plain = "".join(character for character in code.casefold() if character.isalnum())
    return hmac.new(key, f"recovery:{user_id}:{plain}".encode(), hashlib.sha256).hexdigest()
