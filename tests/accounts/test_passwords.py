"""Hashing and checking of passwords."""

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.accounts import passwords, rules
from studio.accounts.errors import WeakPasswordError


class TestMatches:
    @pytest.mark.parametrize("text", ["correct horse battery", "正确的马电池订书钉", "naïve café ⅷ", "p" * 128])
    def test_knows_the_password_and_no_other(self, text):
        stored = passwords.hashed(text)
        assert passwords.matches(text, stored)
        assert not passwords.matches(text + "x", stored)

    def test_knows_a_letter_however_it_was_composed(self):
        assert passwords.matches("cafe\u0301 latte", passwords.hashed("caf\u00e9 latte"))

    def test_reads_bcrypt_of_long_and_chinese_passwords(self):
        for text in ("x" * 100, "密码" * 40, "plain"):
            stored = bcrypt.hashpw(text.encode()[:72], bcrypt.gensalt(4)).decode()
            assert passwords.matches(text, stored)
            assert not passwords.matches("another", stored)

    @pytest.mark.parametrize("stored", [None, "", "$2b$", "$2b$12$short", "plaintext", "$argon2id$broken", "md5$abc"])
    def test_says_no_to_what_is_no_hash(self, stored):
        assert not passwords.matches("plaintext", stored)
        assert not passwords.matches("", stored)

    def test_stores_a_fresh_salt_each_time(self):
        assert passwords.hashed("the same password") != passwords.hashed("the same password")


class TestIsOutdated:
    def test_is_true_of_other_schemes_and_weaker_settings(self):
        assert passwords.is_outdated(bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode())
        assert passwords.is_outdated("$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
        assert not passwords.is_outdated(passwords.hashed("a password"))


class TestMadeUp:
    def test_passes_the_rules_and_is_never_the_same(self):
        made = {passwords.made_up() for _ in range(50)}
        assert len(made) == 50
        for text in made:
            rules.check_password(text)


class TestCheckPassword:
    @given(st.text(max_size=rules.SHORTEST_PASSWORD - 1))
    def test_refuses_whatever_is_too_short(self, text):
        with pytest.raises(WeakPasswordError):
            rules.check_password(text)

    def test_asks_for_length_and_for_nothing_else(self):
        rules.check_password("onlylowercaseletters")
        rules.check_password("我有一只小猫名叫花花呀")

    def test_refuses_ones_own_name_and_address(self):
        for text in ("Mei Lin Wong", "meilinwong@example.com", "meilinwong"):
            with pytest.raises(WeakPasswordError):
                rules.check_password(text, about=("Mei Lin Wong", "MeiLinWong@example.com"))
