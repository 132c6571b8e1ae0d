"""What may be kept of an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from studio.operations import rules


def raised(error: BaseException, *, depth: int = 0) -> BaseException:
    with pytest.raises(type(error)) as info:
        raise raised(error, depth=depth - 1) if depth else error
    return info.value


class TestScrub:
    @pytest.mark.parametrize(
        "text",
        [
            "could not reach postgresql://studio:hunter22@db.internal/studio",
            "redis://:hunter22@127.0.0.1:6379/0 refused",
            "Authorization: Bearer hunter22.abc.def",
            "{'api_key': 'hunter22', 'n': 1}",
            '{"password": "hunter22"}',
            "password=hunter22&next=/",
            "new_password: hunter22",
            "OPENAI_API_KEY=hunter22",
            "GET https://example.com/file?X-Amz-Signature=hunter22",
            "cookie: session=hunter22; path=/",
            "sk-proj-hunter22hunter22",
            "eyJhunter22hunter22.eyJhunter22.hunter22",
        ],
    )
    def test_hides_secrets(self, text):
        assert "hunter22" not in rules.scrub(text)

    def test_hides_addresses_of_people(self):
        assert rules.scrub("no account for ada@example.com here") == "no account for [e-mail] here"

    def test_keeps_what_helps(self):
        text = "'NoneType' object has no attribute 'portrait_id' (character 0194a1b2-1111-7000-8000-000000000000)"
        assert rules.scrub(text) == text

    @given(st.text())
    def test_is_bounded_and_storable(self, text):
        kept = rules.scrub(text, 50)
        assert len(kept) <= 50
        assert "\x00" not in kept
        kept.encode()

    @pytest.mark.parametrize(
        "text", ["a" * 100_000, "a@" * 50_000, "key" * 30_000, "://" * 30_000, "=" * 90_000, "a." * 50_000 + "@"]
    )
    def test_takes_no_time_for_hostile_text(self, text):
        rules.scrub(text)


class TestMessageOf:
    def test_leaves_out_parameters_and_rows_of_the_database(self, session):
        import sqlalchemy as sa

        with pytest.raises(IntegrityError) as caught, session.begin_nested():
            session.execute(
                sa.text(
                    "INSERT INTO job_runs (id, name, arguments, created_at, run_after, percent, step, state)"
                    " VALUES (gen_random_uuid(), :name, '{}', now(), now(), 900, '', 'queued')"
                ),
                {"name": "a secret text of a card"},
            )
        message = rules.message_of(caught.value)
        assert "percent" in message
        assert "secret text" not in message
        assert "secret text" not in rules.stack_of(caught.value)
        assert rules.type_of(caught.value) == "psycopg.errors.CheckViolation"

    def test_leaves_out_what_validation_repeats(self):
        class Card(BaseModel):
            name: int

        with pytest.raises(ValueError, match="name") as caught:
            Card(name="a secret text of a card")
        assert "secret text" not in rules.message_of(caught.value)
        error = raised(UnicodeDecodeError("utf-8", b"a secret text \xff", 14, 15, "invalid"))
        assert "secret" not in rules.message_of(error)

    def test_of_json_tells_the_place(self):
        with pytest.raises(ValueError, match="Expecting") as caught:
            json.loads("{a secret text}")
        assert (
            rules.message_of(caught.value)
            == "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
        )


class TestStackOf:
    def test_names_functions_without_lines_of_source_or_folders_of_this_machine(self):
        stack = rules.stack_of(raised(ValueError("no"), depth=2))
        assert "in raised" in stack
        assert "raise error" not in stack
        assert str(rules.ROOT) not in stack

    def test_tells_the_whole_chain(self):
        second = ValueError("second")
        second.__cause__ = raised(KeyError("first"))
        stack = rules.stack_of(raised(second))
        assert stack.index("KeyError") < stack.index("which led to") < stack.index("ValueError")

    def test_is_bounded(self):
        assert len(rules.stack_of(raised(ValueError("x" * 100_000), depth=200))) <= rules.LONGEST_STACK


class TestFingerprintOf:
    def test_is_equal_for_the_same_place_and_differs_by_type(self):
        one, two = raised(ValueError("one")), raised(ValueError("two"))
        assert rules.fingerprint_of(one) == rules.fingerprint_of(two)
        assert rules.fingerprint_of(one) != rules.fingerprint_of(raised(KeyError("one")))


class TestReference:
    def test_can_be_read_aloud(self):
        for _ in range(200):
            reference = rules.new_reference()
            assert len(reference) == 9
            assert not set(reference) & set("ILOUilou")

    @pytest.mark.parametrize("typed", ["7k2m-9qxw", " 7K2M 9QXW ", "7K2M9QXW"])
    def test_forgives_how_it_is_typed(self, typed):
        assert rules.as_reference(typed) == "7K2M-9QXW"

    def test_takes_letters_for_the_digits_that_they_look_like(self):
        assert rules.as_reference("oOiI-lL00") == "0011-1100"
