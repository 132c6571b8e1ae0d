"""Answers from any server that speaks OpenAI's chat protocol, streamed, through the official SDK."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from studio.kit.clock import utc_now
from studio.providers import credentials
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
)
from studio.providers.language.protocol import Cancel, Delta, Event, Finish, Message, Usage
from studio.providers.language.refusals import content_refused, error_from_response
from studio.providers.openai_client import ProcessClient
from studio.settings import Settings

OPENAI_URL = "https://api.openai.com/v1"
# No language needs more characters than this for a token; what goes far beyond is no answer to what was asked.
_CHARACTERS_PER_TOKEN = 40
_CHARACTERS_AROUND = 20_000
_QUIRKS = ("max_completion_tokens", "max_tokens", "stream_options")


class OpenAICompatibleLanguage:
    """A server's chat completions; one instance may be used from many threads and survives a fork.

    Servers differ in which parameters they know. What one refuses is left out
    (or said in the older way) at once, and from then on.
    """

    name = "openai"
    is_configured = True

    def __init__(self, *, base_url: str, key: str, model: str) -> None:
        self.model = model
        self._base_url = base_url
        # OpenAI's own newer models know only the one name, most other servers only the other.
        self._limit_name = "max_completion_tokens" if base_url == OPENAI_URL else "max_tokens"
        self._asks_for_usage = True
        self._sdk = ProcessClient(base_url=base_url, key=key)

    @property
    def label(self) -> str:
        """The model and the host that it is asked of, for a screen."""
        return f"{self.model}, at {urlsplit(self._base_url).hostname}"

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str,
        max_output: int,
        timeout: float,
        time_limit: float,
        cancel: Cancel,
    ) -> Iterator[Event]:
        """Yield the server's answer as it comes; see the Protocol.

        The server's words are never part of an error. Raises
        ProviderBusyError, ProviderRefusedError or ProviderBrokenError.
        """
        ends = time.monotonic() + time_limit
        opened: Any = None
        for _attempt in range(len(_QUIRKS)):
            if cancel.is_asked:
                yield Finish("stopped", None, model)
                return
            opened = self._open(messages, model=model, max_output=max_output, timeout=min(timeout, time_limit))
            if not isinstance(opened, _RefusedParameter):
                break
        if isinstance(opened, _RefusedParameter):
            raise opened.error
        if isinstance(opened, ProviderError):
            raise opened
        answer = _Answer(opened, model=model, most=max_output * _CHARACTERS_PER_TOKEN + _CHARACTERS_AROUND)
        # A server that sends signs of life for ever says nothing that a loop over its words would notice.
        watch = threading.Timer(max(0.0, ends - time.monotonic()), answer.expire)
        watch.daemon = True
        cancel.bind(answer.wake)
        watch.start()
        try:
            yield from answer.events(cancel)
        finally:
            watch.cancel()
            cancel.bind(None)
            answer.close()

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._sdk.close()

    def _open(self, messages: Sequence[Message], *, model: str, max_output: int, timeout: float) -> Any:
        """Return the open stream, or what went wrong.

        Errors are returned here and raised by the caller: raised inside an
        `except`, they would keep the SDK's error, and with it the request and
        what the server quoted of it, for whoever logs the chain.
        """
        import httpx2
        import openai

        limit = self._limit_name
        asks_for_usage = self._asks_for_usage
        try:
            return self._sdk.get().chat.completions.create(
                model=model,
                messages=[{"role": message.role, "content": message.content} for message in messages],  # type: ignore[misc]  # The SDK wants one type per role.
                stream=True,
                stream_options={"include_usage": True} if asks_for_usage else openai.omit,
                max_tokens=max_output if limit == "max_tokens" else openai.omit,
                max_completion_tokens=max_output if limit == "max_completion_tokens" else openai.omit,
                timeout=timeout,
            )
        except openai.APIStatusError as error:
            found = error_from_response(
                status=error.status_code, headers=error.response.headers, body=_body(error), now=utc_now()
            )
            return self._learned(error.status_code, _body(error), found, limit, asks_for_usage=asks_for_usage)
        except (openai.OpenAIError, httpx2.RequestError, ValueError) as error:
            return _meaning(error, has_begun=False)

    def _learned(
        self, status: int, body: str, found: ProviderError, limit: str, *, asks_for_usage: bool
    ) -> "ProviderError | _RefusedParameter":
        """Note which parameter this server does not know, so that the request can be made without it."""
        if status not in {400, 422}:
            return found
        if asks_for_usage and "stream_options" in body:
            self._asks_for_usage = False
            return _RefusedParameter(found)
        if limit in body and ("unsupported" in body.lower() or "max_completion_tokens" in body.replace(limit, "", 1)):
            self._limit_name = "max_tokens" if limit == "max_completion_tokens" else "max_completion_tokens"
            return _RefusedParameter(found)
        return found


class _RefusedParameter:
    """The server does not know a parameter; the request is worth making again without it."""

    def __init__(self, error: ProviderError) -> None:
        self.error = error


class _Answer:
    """One open stream: its events, and the ways to end it from another thread."""

    def __init__(self, stream: Any, *, model: str, most: int) -> None:
        self._stream = stream
        self._model = model
        self._most = most
        self._length = 0
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._expired = threading.Event()

    def wake(self) -> None:
        """End the connection: whoever waits for the server's next word is woken. Closing alone would wake nobody."""
        # The transport may be another one in a later version; then the longest silence is what stopping takes.
        with contextlib.suppress(Exception):
            self._stream.response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def expire(self) -> None:
        """End the connection because the time is up."""
        self._expired.set()
        self.wake()

    def close(self) -> None:
        """Let the connection go, whatever state it is in."""
        with contextlib.suppress(Exception):
            self._stream.close()

    def events(self, cancel: Cancel) -> Iterator[Event]:
        """The pieces of the answer and its Finish; raises ProviderError."""
        while True:
            chunk = self._next()
            if cancel.is_asked:
                yield Finish("stopped", self._usage, self._model)
                return
            if self._expired.is_set():
                raise ProviderBusyError("The language server did not finish its answer in the time that there is.")
            if isinstance(chunk, ProviderError):
                raise chunk
            if chunk is None:
                break
            text = self._take(chunk)
            if text:
                self._length += len(text)
                if self._length > self._most:
                    raise ProviderBrokenError("The language server answered far more than was asked for.")
                yield Delta(text)
        yield self._finish()

    def _next(self) -> Any:
        """The next chunk, None at the end, or what went wrong; returned for the reason given at `_open`."""
        import httpx2
        import openai

        try:
            return next(self._stream, None)
        except (openai.OpenAIError, httpx2.RequestError, httpx2.StreamError, ValueError, OSError) as error:
            return _meaning(error, has_begun=True)

    def _take(self, chunk: Any) -> str:
        usage = getattr(chunk, "usage", None)
        counts = (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
        if isinstance(counts[0], int) and isinstance(counts[1], int):
            self._usage = Usage(max(0, counts[0]), max(0, counts[1]))
        model = getattr(chunk, "model", None)
        if isinstance(model, str) and model:
            self._model = model[:200]
        choices = getattr(chunk, "choices", None)
        if not isinstance(choices, list) or not choices:
            return ""
        self._reason = getattr(choices[0], "finish_reason", None) or self._reason
        delta = getattr(choices[0], "delta", None)
        if self._reason == "content_filter" or getattr(delta, "refusal", None):
            raise content_refused()
        text = getattr(delta, "content", None)
        return text if isinstance(text, str) else ""

    def _finish(self) -> Finish:
        if self._reason is None:
            raise _broke_off()
        if not self._length:
            if self._reason == "length":
                raise ProviderBrokenError(
                    "The model used up its output before it wrote a word. Raise STUDIO_LANGUAGE_MAX_OUTPUT."
                )
            raise ProviderBrokenError("The model answered without a word.", is_transient=True)
        return Finish("length" if self._reason == "length" else "stop", self._usage, self._model)


def _body(error: Any) -> str:
    try:
        return str(error.response.text)
    except Exception:  # noqa: BLE001 - A body that cannot be read tells nothing.
        return ""


def _broke_off() -> ProviderBrokenError:
    return ProviderBrokenError("The language server broke off in the middle of its answer.", is_transient=True)


def _meaning(error: Exception, *, has_begun: bool) -> ProviderError:
    """Return what the SDK's error, or the connection's, amounts to."""
    import httpx2
    import openai

    match error:
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return ProviderBusyError("The language server was silent for too long.")
        case openai.APIConnectionError() | httpx2.RequestError() | httpx2.StreamError() | OSError() if has_begun:
            return _broke_off()
        case openai.APIConnectionError() | httpx2.RequestError():
            return ProviderBusyError("The language server cannot be reached.")
        case openai.APIError() if has_begun:
            # An error that came as an event of a stream that had begun well.
            return ProviderBusyError("The language server reported an error in the middle of its answer.")
    return ProviderBrokenError("What the language server sent is not OpenAI's protocol.", is_transient=has_begun)


def from_settings(settings: Settings) -> OpenAICompatibleLanguage:
    """Return the client of the server that is set, OpenAI's own where only a key is; raises ProviderNotConfiguredError."""
    key = (
        credentials.checked_key(settings.language_key.get_secret_value(), "STUDIO_LANGUAGE_KEY")
        if settings.language_key
        else ""
    )
    url = (settings.language_url or "").strip()
    if not key and not url:
        raise ProviderNotConfiguredError(
            "A language model from a server needs STUDIO_LANGUAGE_KEY, or STUDIO_LANGUAGE_URL for a server without keys. "
            "Set one of them, or STUDIO_LANGUAGE_PROVIDER=none."
        )
    if url:
        url = credentials.checked_url(url, "STUDIO_LANGUAGE_URL")
    return OpenAICompatibleLanguage(
        base_url=url or OPENAI_URL,
        # Never empty: the SDK would then send whatever key its own environment variable holds to this server.
        key=key or "none",
        model=settings.language_model,
    )
