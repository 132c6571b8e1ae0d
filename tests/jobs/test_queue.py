"""The queue that carries ids."""

import inspect
import json
import time
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from jobs import queue
from studio.embedded.postgres import free_port
from studio.settings import Settings
from studio.work.asking import Urgent
from studio.work.rules import QUEUES


@pytest.fixture
def unreachable(settings):
    """A client of a Redis that is not there."""
    elsewhere = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{free_port()}/0")})
    with queue.connect(elsewhere) as client:
        yield client


class TestCommand:
    def test_has_a_worker_listen_to_every_queue_unless_told_otherwise(self):
        from studio.__main__ import worker

        assert inspect.signature(worker).parameters["queues"].default == ",".join(QUEUES)


class TestNudge:
    def test_puts_what_is_urgent_before_all_that_waits(self, redis_client):
        waiting, lost = [uuid4() for _ in range(3)], uuid4()
        tell = queue.nudge(redis_client)
        tell({"default": waiting})
        tell(Urgent({"default": [lost]}))
        first = queue.open_queue(redis_client, "default").jobs[0]
        assert first.args[0] == str(lost)

    def test_carries_an_id_as_json_and_nothing_else(self, redis_client):
        job_id = uuid4()
        queue.nudge(redis_client)({"default": [job_id, job_id]})
        (hint,) = Queue("default", connection=redis_client, serializer=JSONSerializer).jobs
        assert hint.func_name == "jobs.runtime.perform"
        assert hint.args == [str(job_id)]
        data = redis_client.hget(f"rq:job:{hint.id}", "data")
        import zlib

        assert str(job_id) in json.dumps(json.loads(zlib.decompress(data)))

    def test_puts_each_id_on_its_queue(self, redis_client):
        queue.nudge(redis_client)({"default": [uuid4()], "bulk": [uuid4(), uuid4()]})
        assert (queue.length(redis_client, "default"), queue.length(redis_client, "bulk")) == (1, 2)

    def test_leaves_what_has_no_room_to_the_sweep(self, redis_client):
        queue.nudge(redis_client)({"default": [uuid4() for _ in range(queue.FULL + 500)]})
        assert queue.length(redis_client, "default") == queue.FULL

    def test_leaves_a_redis_that_does_not_answer_alone_for_a_while(self, unreachable):
        tell = queue.nudge(unreachable)
        with pytest.raises(RedisError):
            tell({"default": [uuid4()]})
        tell({"default": [uuid4()]})


class TestHasForgotten:
    def test_says_so_once_after_each_loss(self, redis_client):
        assert [queue.has_forgotten(redis_client) for _ in range(3)] == [True, False, False]
        redis_client.flushdb()
        assert queue.has_forgotten(redis_client)


class TestConnect:
    def test_gives_up_soon_where_nobody_answers(self, unreachable):
        began = time.monotonic()
        with pytest.raises(RedisError):
            unreachable.ping()
        assert time.monotonic() - began < 60

    def test_needs_an_address(self):
        with pytest.raises(ValueError, match="no Redis"):
            queue.connect(Settings(_env_file=None, redis_url=None))

    def test_answers(self, settings):
        with queue.connect(settings) as client:
            assert isinstance(client, Redis)
            assert client.ping()
