"""One-time codes and recovery codes."""

from datetime import timedelta
from uuid import uuid4

import pyotp
import pytest

from studio.accounts import second_factor
from studio.accounts.errors import NoSecondFactorError, WrongCodeError
from studio.accounts.permissions import NOBODY, RoleName
from studio.kit.errors import ForbiddenError
from tests.factories.accounts import make_user

KEY = b"the studio's key"


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR)


def code_at(user, seed, moment):
    return pyotp.TOTP(second_factor.shared_secret(KEY, user_id=user.id, seed=seed)).at(moment)


@pytest.fixture
def enabled(session, person, now):
    """The person's seed and recovery codes, set up a minute ago."""
    earlier, seed = now - timedelta(minutes=1), second_factor.fresh_seed()
    codes = second_factor.enable(
        session, actor=person.actor, key=KEY, seed=seed, code=code_at(person, seed, earlier), now=earlier
    )
    return seed, codes


def check(session, person, code, now):
    return second_factor.check_code(session, user_id=person.id, key=KEY, code=code, now=now)


class TestEnable:
    def test_asks_for_codes_once_one_was_right(self, session, person, enabled):
        _, codes = enabled
        assert second_factor.has_second_factor(person)
        assert len(set(codes)) == second_factor.RECOVERY_CODES

    @pytest.mark.parametrize("code", ["", "000000", "12345", "abcdef", "１２３４５６", "1" * 500])
    def test_changes_nothing_after_a_wrong_code(self, session, person, now, code):
        with pytest.raises(WrongCodeError):
            second_factor.enable(session, actor=person.actor, key=KEY, seed="seed", code=code, now=now)
        assert not second_factor.has_second_factor(person)

    def test_is_ones_own(self, session, now):
        with pytest.raises(ForbiddenError):
            second_factor.enable(session, actor=NOBODY, key=KEY, seed="s", code="1", now=now)

    def test_keeps_neither_secret_nor_codes_readable(self, session, person, enabled):
        seed, codes = enabled
        secret = second_factor.shared_secret(KEY, user_id=person.id, seed=seed)
        stored = f"{person.tf_totp_secret} {person.mf_recovery_codes}"
        assert secret not in stored
        assert not any(code in stored for code in codes)


class TestCheckCode:
    def test_takes_a_code_once(self, session, person, enabled, now):
        code = code_at(person, enabled[0], now)
        assert check(session, person, f" {code[:3]} {code[3:]} ", now)
        assert not check(session, person, code, now)

    def test_forgives_half_a_minute_and_no_more(self, session, person, enabled, now):
        seed = enabled[0]
        assert not check(session, person, code_at(person, seed, now + timedelta(seconds=90)), now)
        assert check(session, person, code_at(person, seed, now + timedelta(seconds=30)), now)
        # What is older than an accepted code is over.
        assert not check(session, person, code_at(person, seed, now), now)

    def test_takes_each_recovery_code_once_however_it_is_typed(self, session, person, enabled, now):
        codes = enabled[1]
        assert check(session, person, codes[0].upper().replace("-", " "), now)
        assert not check(session, person, codes[0], now)
        assert check(session, person, codes[1], now)
        assert len(person.mf_recovery_codes) == second_factor.RECOVERY_CODES - 2

    def test_is_false_for_strangers_and_for_people_without(self, session, person, now):
        assert not check(session, person, "123456", now)
        assert not second_factor.check_code(session, user_id=uuid4(), key=KEY, code="123456", now=now)

    def test_knows_no_code_made_with_another_key(self, session, person, enabled, now):
        secret = second_factor.shared_secret(b"another", user_id=person.id, seed=enabled[0])
        assert not check(session, person, pyotp.TOTP(secret).at(now), now)


class TestRenewRecoveryCodes:
    def test_replaces_the_old_ones(self, session, person, enabled, now):
        fresh = second_factor.renew_recovery_codes(session, actor=person.actor, key=KEY)
        assert not check(session, person, enabled[1][0], now)
        assert check(session, person, fresh[0], now)

    def test_wants_an_authenticator_first(self, session, person):
        with pytest.raises(NoSecondFactorError):
            second_factor.renew_recovery_codes(session, actor=person.actor, key=KEY)


class TestDisable:
    def test_asks_for_no_code_any_more_and_may_be_repeated(self, session, person, enabled):
        for _ in range(2):
            second_factor.disable(session, actor=person.actor)
        assert not second_factor.has_second_factor(person)
        assert person.mf_recovery_codes is None
