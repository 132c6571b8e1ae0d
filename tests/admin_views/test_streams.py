"""Open streams: how many there may be, and how a stop reaches the process that streams."""

from uuid import uuid4

import pytest

from admin_views.chat.streams import Streams
from studio.chat.errors import BusyError


@pytest.fixture
def here(redis_client):
    return Streams(redis_client, most=2, lasts=60)


class TestStreams:
    def test_are_no_more_than_there_is_room_for(self, here):
        first = uuid4()
        here.open(first)
        here.open(uuid4())
        with pytest.raises(BusyError):
            here.open(uuid4())
        with pytest.raises(BusyError):
            here.refuse_full()
        here.close(first)
        here.refuse_full()

    def test_that_never_began_give_their_place_back(self, redis_client):
        here = Streams(redis_client, most=1, lasts=0)
        lost = here.open(uuid4())
        here.open(uuid4())
        assert lost.is_asked

    def test_are_stopped_at_once_in_their_own_process(self, here):
        message = uuid4()
        cancel = here.open(message)
        here.stop(message)
        assert cancel.is_asked

    def test_are_stopped_from_another_process(self, here, redis_client):
        message = uuid4()
        cancel = here.open(message)
        here.begin(message)
        Streams(redis_client, most=1, lasts=60).stop(message)
        assert cancel.wait(20)
        here.close(message)

    def test_that_are_not_stopped_go_on(self, here, redis_client):
        message = uuid4()
        cancel = here.open(message)
        here.begin(message)
        Streams(redis_client, most=1, lasts=60).stop(uuid4())
        assert not cancel.wait(1)
        here.close(message)
