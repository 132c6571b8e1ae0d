"""A text read out by a model that converses, over OpenAI's Realtime API: told to read, listened to, and checked."""

import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from studio.kit.clock import utc_now
from studio.providers.errors import ProviderError
from studio.providers.speech import abilities, encoding, line, refusals, verbatim
from studio.providers.speech.protocol import MOST_AUDIO_BYTES, Alive, Spoken, Usage, Wanted
from studio.providers.speech.refusals import About

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.resources.realtime.realtime import RealtimeConnection
    from websockets.http11 import Response

ATTEMPTS = 2
"""How often a part may be read before the text is given up."""

MOST_TOKENS = 4_096
"""What one answer may cost at most: about three minutes of speech, for a part that takes about one."""

_RULES = resources.files(__package__).joinpath("reading.txt").read_text(encoding="utf-8")
_MANNER = resources.files(__package__).joinpath("manner.txt").read_text(encoding="utf-8")

_LEAST_SECONDS, _MOST_SECONDS = 0.02, 0.6
"""For each unit of a text's weight: nobody speaks faster, so that what is shorter was cut off; nor as slowly."""

_PAUSES = 10.0
"""Seconds of silence that an answer may hold besides."""

_STATUS = {
    "invalid_api_key": 401,
    "authentication_error": 401,
    "insufficient_quota": 402,
    "credit_balance_exhausted": 402,
    "billing_hard_limit_reached": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "server_error": 500,
    "internal_error": 500,
    "api_error": 500,
}
"""The HTTP status whose meaning an error of the protocol has, by its code or its type."""

_MOST_ITEMS = 100
"""An answer is one thing, or two with what leads on to it."""

_WAIT = re.compile(r"try again in (?:(\d+)m)?(\d+(?:\.\d+)?)(ms|s)", re.IGNORECASE)
_NO_ANSWER, _THEIR_FAULT = 300, 500


@dataclass(slots=True)
class _Item:
    """One thing that the model says: its sound, what it says that it said, whether that came to its end, and whether it leads on to the rest."""

    samples: bytearray = field(default_factory=bytearray)
    transcripts: list[str] = field(default_factory=list)
    is_whole: bool = False
    is_preamble: bool = False


@dataclass(slots=True)
class _Heard:
    """One answer of the model. More than `most` bytes of sound are no reading of the text."""

    most: int
    items: dict[str, _Item] = field(default_factory=dict)
    sounds: int = 0
    words: int = 0
    """How many bytes of sound there are, and how many signs it is said to be: no reading has more of these than of those."""

    def item(self, event: Mapping[str, Any]) -> _Item:
        """The thing that an event is about."""
        name = event.get("item_id") or _dict(event.get("item")).get("id")
        return self.items.setdefault(str(name or ""), _Item())

    @property
    def kept(self) -> list[_Item]:
        """What is the answer itself: these models may say beforehand what they are about to do, and mark it so."""
        return [one for one in self.items.values() if (one.samples or one.transcripts) and not one.is_preamble]

    @property
    def is_too_much(self) -> bool:
        """Whether it is more than any reading of the text, in sound, in words, or in the things that it is made of."""
        return max(self.sounds, self.words) > self.most or len(self.items) > _MOST_ITEMS

    @property
    def samples(self) -> bytes:
        return b"".join(one.samples for one in self.kept)

    @property
    def said(self) -> str:
        return " ".join(words for one in self.kept for words in one.transcripts)

    @property
    def is_whole(self) -> bool:
        return bool(self.kept) and all(one.is_whole for one in self.kept)


class Reading:
    """One text to be read out; `usage` is what it has cost so far, whatever becomes of it."""

    def __init__(
        self,
        about: About,
        wanted: Wanted,
        chosen: Mapping[str, float | str],
        *,
        timeout: float,
        time_limit: float,
        alive: Alive,
    ) -> None:
        self._about = about
        self._wanted = wanted
        self._chosen = chosen
        self._timeout = min(timeout, time_limit)
        self._time_limit = time_limit
        self._alive = alive
        self._has_begun = False
        self.usage = Usage()

    def made(self, sdk: "OpenAI") -> Spoken:
        """The text as MP3. Raises ProviderError, with what was used in its `usage`."""
        found = self._made(sdk)
        if isinstance(found, ProviderError):
            # It is billed by what it used, which it tells, and not by characters.
            found.usage, found.may_be_billed = self.usage or None, False
            raise found
        return found

    def _made(self, sdk: "OpenAI") -> Spoken | ProviderError:
        """The audio, or what went wrong: raised inside an `except`, it would keep the request and the key."""
        try:
            with line.opened(sdk, model=self._wanted.model, timeout=self._timeout) as talk:
                return self._read_all(talk)
        except ProviderError as error:
            return error
        except InvalidStatus as error:
            return self._turned_away(error.response)
        except ConnectionClosed as error:
            return self._closed(error.rcvd.reason if error.rcvd is not None else "")
        except TimeoutError:
            return refusals.silent(self._about)
        except (WebSocketException, OSError, ValueError):
            return self._closed("")

    def _read_all(self, talk: "RealtimeConnection") -> Spoken:
        session = self._await(talk, "session.created")
        self._has_begun = True
        talk.session.update(session=self._session())
        parts = verbatim.parts_of(self._wanted.text)
        file = encoding.Mp3()
        try:
            for part in parts:
                file.add(self._read(talk, part))
            audio = file.finished()
        finally:
            file.close()
        if len(audio) > MOST_AUDIO_BYTES:
            raise refusals.too_much(self._about)
        return Spoken(audio, len(self._wanted.text), _id_of(session), self.usage or None)

    def _session(self) -> Any:
        output: dict[str, Any] = {
            "format": {"type": "audio/pcm", "rate": encoding.SAMPLES_A_SECOND},
            "voice": self._wanted.voice_id,
        }
        if "speed" in self._chosen:
            output["speed"] = float(self._chosen["speed"])
        session = {
            "type": "realtime",
            "output_modalities": ["audio"],
            # Nobody talks to it: only what is asked for below is answered.
            "audio": {"input": {"turn_detection": None}, "output": output},
            "tools": [],
            "tool_choice": "none",
            "max_output_tokens": MOST_TOKENS,
        }
        if abilities.of("openai", model=self._wanted.model).thinks:
            # To read wants no thought, which is paid for.
            session["reasoning"] = {"effort": "minimal"}
        return session

    def _read(self, talk: "RealtimeConnection", part: str) -> bytes:
        """The part, read word for word, as samples; raises ProviderError where it is not, after ATTEMPTS of it."""
        for _attempt in range(ATTEMPTS):
            heard = self._answer(talk, part)
            if heard is not None and verbatim.is_read(part, heard.said):
                samples = heard.samples
                natural = len(samples) / encoding.BYTES_A_SECOND * float(self._chosen.get("speed", 1.0))
                if natural < verbatim.weight_of(part) * _LEAST_SECONDS or len(samples) % 2:
                    raise refusals.broke_off(self._about)
                return samples
        raise refusals.read_otherwise(self._about)

    def _answer(self, talk: "RealtimeConnection", part: str) -> _Heard | None:
        """What the model makes of the part; None where it did not come to an end.

        It knows of nothing but the part: what it said before is kept from it.
        """
        # The text cannot hold a mark that nobody knew when it was written: it cannot end itself and go on as an order.
        mark = secrets.token_hex(6)
        talk.response.create(
            response={
                "conversation": "none",
                "output_modalities": ["audio"],
                "max_output_tokens": MOST_TOKENS,
                "tool_choice": "none",
                "instructions": self._rules(mark),
                "input": [
                    {
                        "type": "message",
                        "role": "user",
                        "content": [{"type": "input_text", "text": f"[[{mark}]]\n{part}\n[[/{mark}]]"}],
                    }
                ],
            }
        )
        heard = _Heard(most=self._most_bytes(part))
        done = self._await(talk, "response.done", heard)
        answer = _dict(done.get("response"))
        self.usage += Usage.told_by(_dict(answer.get("usage")))
        status, details = answer.get("status"), _dict(answer.get("status_details"))
        if status == "failed":
            raise self._failed(_dict(details.get("error")))
        if status == "incomplete" and details.get("reason") == "content_filter":
            raise refusals.content_refused(self._about)
        if status == "incomplete":
            # It talked until nothing more was paid for: that is not what it was given.
            return None
        if status != "completed" or not heard.is_whole:
            raise refusals.broke_off(self._about)
        if not heard.said:
            raise refusals.not_its_protocol(self._about)
        return heard

    def _most_bytes(self, part: str) -> int:
        seconds = (verbatim.weight_of(part) * _MOST_SECONDS + _PAUSES) / float(self._chosen.get("speed", 1.0))
        return min(round(seconds * encoding.BYTES_A_SECOND), MOST_AUDIO_BYTES)

    def _rules(self, mark: str) -> str:
        rules = _RULES.replace("{mark}", mark).replace("{language}", self._wanted.language)
        manner = str(self._chosen.get("instructions", ""))
        return rules + _MANNER.replace("{mark}", mark).replace("{manner}", manner) if manner else rules

    def _await(self, talk: "RealtimeConnection", kind: str, heard: _Heard | None = None) -> dict[str, Any]:
        """The next event of this kind; what comes before it goes into `heard`. Raises ProviderError."""
        began = heard_at = time.monotonic()
        while True:
            self._alive()
            try:
                message = talk.recv_bytes()
            except TimeoutError:
                message = b""
            now = time.monotonic()
            if message:
                heard_at = now
                event = self._event(message)
                if heard is not None:
                    self._take(event, heard)
                if event["type"] == kind:
                    return event
            if now - heard_at > self._timeout or now - began > self._time_limit:
                raise refusals.silent(self._about)

    def _event(self, message: bytes) -> dict[str, Any]:
        """What the server says; raises ProviderError where that is an error, or nothing of this protocol."""
        try:
            event = json.loads(message)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise refusals.not_its_protocol(self._about)
        if event["type"] == "error":
            raise self._failed(_dict(event.get("error")))
        return event

    def _take(self, event: dict[str, Any], heard: _Heard) -> None:
        match event["type"]:
            case "response.output_audio.delta":
                item = heard.item(event)
                item.is_whole = False
                before = len(item.samples)
                item.samples += self._decoded(event.get("delta"))
                heard.sounds += len(item.samples) - before
            case "response.output_audio.done":
                heard.item(event).is_whole = True
            case "response.output_audio_transcript.done":
                words = str(event.get("transcript") or "")
                heard.words += len(words)
                heard.item(event).transcripts.append(words)
            case "response.output_item.added" | "response.output_item.done":
                # Known at its beginning or only at its end.
                if _dict(event.get("item")).get("phase") == "commentary":
                    heard.item(event).is_preamble = True
        if heard.is_too_much:
            raise refusals.too_much(self._about)

    def _decoded(self, delta: object) -> bytes:
        found = None
        if isinstance(delta, str):
            try:
                found = base64.b64decode(delta, validate=True)
            except (binascii.Error, ValueError):
                found = None
        if found is None:
            raise refusals.not_its_protocol(self._about)
        return found

    def _failed(self, error: Mapping[str, Any]) -> ProviderError:
        """What an error of the protocol amounts to."""
        kind, code, words = (str(error.get(name) or "") for name in ("type", "code", "message"))
        if code == "session_expired":
            return refusals.broke_off(self._about)
        wait = _WAIT.search(words)
        headers = {}
        if wait is not None:
            minutes, amount, unit = wait.groups()
            seconds = int(minutes or 0) * 60 + float(amount) / (1_000 if unit.lower() == "ms" else 1)
            headers["retry-after"] = f"{seconds:.3f}"
        return refusals.error_from_response(
            self._about,
            status=_STATUS.get(code, _STATUS.get(kind, 400)),
            headers=headers,
            body=f"{kind} {code} {words}",
            now=utc_now(),
        )

    def _turned_away(self, answer: "Response") -> ProviderError:
        """Why there is no conversation: the server answered as to a page."""
        if answer.status_code < _NO_ANSWER:
            return refusals.not_its_protocol(self._about)
        return refusals.error_from_response(
            self._about,
            status=answer.status_code,
            headers={name.lower(): value for name, value in answer.headers.raw_items()},
            body=bytes(answer.body or b"").decode(errors="replace"),
            now=utc_now(),
        )

    def _closed(self, reason: str) -> ProviderError:
        """Why the line is closed: by what the server said as it closed it ("type.code"), or it broke."""
        kind, _dot, code = reason.partition(".")
        if code in _STATUS and _STATUS[code] < _THEIR_FAULT:
            return self._failed({"type": kind, "code": code})
        return refusals.broke_off(self._about) if self._has_begun else refusals.unreachable(self._about)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id_of(event: Mapping[str, Any]) -> str | None:
    """The server's name for the session where it is one that a log can hold."""
    return refusals.printable(str(_dict(event.get("session")).get("id") or ""))
