"""People who press at the same moment: threads with transactions of their own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from studio.kit.db import session_scope
from studio.kit.errors import StudioError


def at_once(engine, *doings):
    """Each of `doings` in a thread and transaction of its own, started together; what they return or raise."""
    barrier = Barrier(len(doings))

    def run(doing):
        barrier.wait(timeout=10)
        try:
            with session_scope(engine) as session:
                return doing(session)
        except StudioError as error:
            return error

    with ThreadPoolExecutor(len(doings)) as pool:
        return list(pool.map(run, doings))
