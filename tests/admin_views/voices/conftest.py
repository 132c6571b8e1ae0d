"""Whose voices are set, and what a form of one says."""

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring.rules import Greetings
from studio.kit.clock import utc_now
from studio.providers.speech import Voice
from studio.voices import lists
from tests.admin_views.conftest import signed_in
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character

PART = {"HX-Request": "true"}
MODEL = "gpt-realtime-2.1-mini"
FIELDS = {
    "do": "save",
    "provider": "local",
    "language": "en-US",
    "voice_id": "en-us",
    "is_active": "y",
    "speed": "1.25",
}


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR, name="Mei")


@pytest.fixture
def character(session, person):
    return make_character(
        session, owner=person.actor, name="Dugu", language="zh", greetings=Greetings("Well met, {{user}}.")
    )


@pytest.fixture
def browser(app, session, person, character):
    session.flush()
    return signed_in(app.test_client(), person)


@pytest.fixture
def voices(session):
    lists.keep(
        session,
        provider="local",
        voices=[Voice("en-us", "English", ("en-US",), "male"), Voice("cmn", "Mandarin", ("zh-CN",), "male")],
        now=utc_now(),
    )


def text_of(answer, status=200):
    assert answer.status_code == status, answer.get_data(as_text=True)[:2_000]
    return answer.get_data(as_text=True)
