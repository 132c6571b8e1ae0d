"""What every embedding provider gets: batches, parallel requests, retries, a budget, a time limit, checks."""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from studio.providers.breaker import MOST_FAILURES, Breaker
from studio.providers.embeddings.batching import batches
from studio.providers.embeddings.protocol import EmbeddingClient, Progress, Spend, Vectors
from studio.providers.embeddings.texts import cut, estimate_tokens, sendable
from studio.providers.errors import (
    EmptyTextError,
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderRestsError,
    ProviderTooLargeError,
)

FIRST_BACKOFF = 0.5
"""Seconds: the ceiling of the first wait; each further one doubles it."""

LONGEST_WAIT = 60.0
"""Seconds that a request waits here at most. A server that asks for longer is left to the job's own back-off."""

SHORTEST_CUT = 256
"""Estimated tokens below which a text is not cut further to please a server."""

_random = random.SystemRandom()


def _full_jitter(ceiling: float) -> float:
    """Return a wait anywhere up to the ceiling, so that those who failed together do not come back together."""
    return _random.uniform(0.0, ceiling)


def _pause(stop: threading.Event, seconds: float) -> None:
    stop.wait(seconds)


@dataclass(frozen=True)
class _Call:
    """One call of `embed`: where its texts were cut, when it must be over, whether requests should still be repeated."""

    cut_at: int
    ends: float | None
    stop: threading.Event = field(default_factory=threading.Event)


class ReliableEmbeddings:
    """An EmbeddingProvider around a client; keeps no state but what it learned of the server's limits.

    `attempts` counts the first one; `timeout` is for one request in seconds;
    `parallel` is for one call of `embed`. `pause`, `jitter` and `clock` are
    given by tests only.
    """

    def __init__(
        self,
        client: EmbeddingClient,
        *,
        attempts: int = 5,
        timeout: float = 30.0,
        parallel: int = 4,
        pause: Callable[[threading.Event, float], None] = _pause,
        jitter: Callable[[float], float] = _full_jitter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._timeout = timeout
        self._parallel = parallel
        self._pause = pause
        self._jitter = jitter
        self._clock = clock
        # One call's own attempts do not make a server one that is down.
        self._breaker = Breaker(
            f"embeddings:{client.name}", label=client.label, most=max(MOST_FAILURES, attempts), clock=clock
        )
        self._max_inputs = client.max_batch_inputs
        self._max_input_tokens = min(client.max_input_tokens, client.max_batch_tokens)

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_EMBEDDINGS_PROVIDER`."""
        return self._client.name

    @property
    def model(self) -> str:
        """The model's name."""
        return self._client.model

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        return self._client.dimensions

    @property
    def is_local(self) -> bool:
        """Whether the texts stay on this machine."""
        return self._client.is_local

    @property
    def label(self) -> str:
        """What a screen calls this provider."""
        return self._client.label

    @property
    def max_input_tokens(self) -> int:
        """The estimated tokens at which a text is cut; shrinks when the server turns out to take less."""
        return self._max_input_tokens

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
        self._client.close()

    def embed(
        self,
        texts: Sequence[str],
        *,
        on_batch: Progress | None = None,
        spend: Spend | None = None,
        time_limit: float | None = None,
    ) -> Vectors:
        """Return an L2-normalised (len(texts), dimensions) array in the order of the texts.

        Nothing goes out where any text is empty (EmptyTextError). Raises
        ProviderError when the provider fails for good, or when `time_limit`
        seconds have passed; what `on_batch` or `spend` raises stops the work
        and comes through unchanged.
        """
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        done = 0
        with closing(self._arrivals(texts, spend=spend, time_limit=time_limit)) as arrivals:
            for positions, vectors in arrivals:
                rows[positions.start : positions.stop] = vectors
                done += len(positions)
                if on_batch is not None:
                    on_batch(done, len(texts))
        return rows

    def embed_batches(
        self, texts: Sequence[str], *, spend: Spend | None = None, time_limit: float | None = None
    ) -> Iterator[tuple[range, Vectors]]:
        """Yield (positions in `texts`, their vectors) as each batch arrives, in order of arrival.

        What has been yielded can be stored at once, so a crash pays for
        nothing twice; no more than `parallel` batches wait in memory. When a
        batch fails for good, those under way are still awaited and yielded;
        only then is the error raised. Closing the iterator stops: requests
        under way are awaited, none is left behind.
        """
        return self._arrivals(texts, spend=spend, time_limit=time_limit)

    def _arrivals(
        self, texts: Sequence[str], *, spend: Spend | None, time_limit: float | None
    ) -> Generator[tuple[range, Vectors], None, None]:
        """Check and measure the texts now, and return the iterator that sends them."""
        empty = tuple(position for position, text in enumerate(texts) if not text.strip())
        if empty:
            raise EmptyTextError(empty)
        cut_at = self._max_input_tokens
        prepared = [cut(sendable(text), cut_at) for text in texts]
        tokens = [estimate_tokens(text) for text in prepared]
        plan = list(batches(tokens, max_inputs=self._max_inputs, max_tokens=self._client.max_batch_tokens))
        call = _Call(cut_at=cut_at, ends=None if time_limit is None else self._clock() + time_limit)

        def charge(batch: range) -> None:
            if spend is not None:
                spend(len(batch), sum(tokens[batch.start : batch.stop]))

        def send(batch: range) -> Vectors:
            return self._request(prepared[batch.start : batch.stop], call)

        if self._parallel == 1 or len(plan) <= 1:
            return _one_by_one(plan, charge, send)
        return _side_by_side(plan, charge, send, parallel=self._parallel, stop=call.stop)

    def _request(self, texts: Sequence[str], call: _Call) -> Vectors:
        """Return the checked vectors of one batch, having repeated, shortened and split it as the server needs."""
        attempt = 0
        while True:
            # Read once: a part that is refused lowers the limit while the parts are being sent.
            step = self._max_inputs
            if len(texts) > step:
                parts = [texts[start : start + step] for start in range(0, len(texts), step)]
                return np.concatenate([self._request(part, call) for part in parts])
            most_tokens = self._max_input_tokens
            sent = texts if most_tokens >= call.cut_at else [cut(text, most_tokens) for text in texts]
            try:
                return self._ask(sent, call)
            except ProviderTooLargeError as error:
                self._adapt(error, inputs=len(texts), most_tokens=most_tokens)
            except ProviderError as error:
                attempt += 1
                seconds = self._wait_before(attempt, error, call)
                if seconds is None:
                    raise
                self._pause(call.stop, seconds)
                if call.stop.is_set():
                    raise

    def _ask(self, texts: Sequence[str], call: _Call) -> Vectors:
        timeout = self._time_for(call)
        if self._client.is_local:
            return self._checked(self._client.request(texts, timeout=timeout), len(texts))
        with self._breaker.guarding():
            return self._checked(self._client.request(texts, timeout=timeout), len(texts))

    def _time_for(self, call: _Call) -> float:
        """Return the seconds that a request may take now."""
        if call.ends is None:
            return self._timeout
        left = call.ends - self._clock()
        if left <= 0:
            raise ProviderBusyError("The embeddings server did not answer within the time that there was.")
        return min(self._timeout, left)

    def _wait_before(self, attempt: int, error: ProviderError, call: _Call) -> float | None:
        """Return the seconds to wait after this many failed attempts, or None where the error stands."""
        if not error.is_transient or attempt >= self._attempts or call.stop.is_set():
            return None
        if isinstance(error, ProviderRestsError):
            return None
        asked = error.retry_after if isinstance(error, ProviderBusyError) else None
        if asked is not None and asked > LONGEST_WAIT:
            return None
        # What the server asks for is a floor; the jitter goes on top, or all who were told the same come back at once.
        seconds = (asked or 0.0) + self._jitter(min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_WAIT))
        if call.ends is not None and self._clock() + seconds >= call.ends:
            return None
        return seconds

    def _adapt(self, error: ProviderTooLargeError, *, inputs: int, most_tokens: int) -> None:
        """Learn that the server takes less than its protocol's usual limits; raise where there is no less to send.

        Threads may learn the same thing twice: both only ever lower a limit.
        """
        if error.what == "batch" and inputs > 1:
            self._max_inputs = min(self._max_inputs, inputs // 2)
        elif error.what == "text" and most_tokens > SHORTEST_CUT:
            self._max_input_tokens = min(self._max_input_tokens, max(SHORTEST_CUT, most_tokens // 2))
        else:
            raise error

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        """Return the vectors at length one; raise ProviderBrokenError where any of them is no direction."""
        if vectors.shape != (count, self.dimensions):
            raise ProviderBrokenError(
                "The embedding model gave vectors of another number or length than was asked for."
            )
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise ProviderBrokenError("The embedding model gave a vector without direction; nothing was kept.")
        unit: Vectors = (vectors / lengths).astype(np.float32)
        return unit


def _one_by_one(
    plan: Sequence[range], charge: Callable[[range], None], send: Callable[[range], Vectors]
) -> Generator[tuple[range, Vectors], None, None]:
    for batch in plan:
        charge(batch)
        yield batch, send(batch)


def _side_by_side(
    plan: Sequence[range],
    charge: Callable[[range], None],
    send: Callable[[range], Vectors],
    *,
    parallel: int,
    stop: threading.Event,
) -> Generator[tuple[range, Vectors], None, None]:
    """Keep `parallel` batches under way and yield each as it arrives; on the first failure, hand over the rest first."""
    waiting = iter(plan)
    under_way: dict[Future[Vectors], range] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(max_workers=min(parallel, len(plan)), thread_name_prefix="embeddings") as pool:
        try:
            while True:
                while failure is None and len(under_way) < parallel and (batch := next(waiting, None)) is not None:
                    try:
                        charge(batch)
                    except Exception as error:  # noqa: BLE001  Raised below, once what is paid for was handed over.
                        failure = error
                        stop.set()
                    else:
                        under_way[pool.submit(send, batch)] = batch
                if not under_way:
                    break
                arrived = next(iter(wait(under_way, return_when=FIRST_COMPLETED).done))
                batch = under_way.pop(arrived)
                error_of_batch = arrived.exception()
                if error_of_batch is None:
                    yield batch, arrived.result()
                else:
                    failure = failure or error_of_batch
                    # The others finish what is on its way, but are not repeated any more.
                    stop.set()
        finally:
            stop.set()
    if failure is not None:
        raise failure
