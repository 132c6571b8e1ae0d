"""One websocket to a speech server, opened through OpenAI's SDK: bounded in time and bytes, without redirects or logs."""

import logging
from typing import TYPE_CHECKING, Any, cast

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from studio.providers.speech import exchange

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from openai import OpenAI
    from openai.resources.realtime.realtime import RealtimeConnection

LOOK = 0.25
"""Seconds after which whoever waits for a message is told that there is none yet (TimeoutError), and may wait on."""

_MOST_MESSAGE = 4_000_000
_CLOSES_IN = 0.5

# The library would log the handshake with its key, and every frame with the text.
_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True


class Line(ClientConnection):
    """A connection at which nobody waits for long, and that leads nowhere but to the address it was opened for."""

    def recv(
        self,
        timeout: float | None = LOOK,
        decode: bool | None = None,  # noqa: FBT001 - As the library has it.
    ) -> Any:
        """The next message; raises TimeoutError after a moment without one. The SDK names no time of its own."""
        return super().recv(timeout, decode)

    def handshake(self, *given: Any, **named: Any) -> None:
        """Open the connection. A redirect is an answer that opens none: its address is not looked at."""
        try:
            super().handshake(*given, **named)
        except InvalidStatus as error:
            if "Location" in error.response.headers:
                del error.response.headers["Location"]
            raise


def opened(sdk: "OpenAI", *, model: str, timeout: float) -> "AbstractContextManager[RealtimeConnection]":
    """The way into a conversation with this model; nothing is sent before it is entered.

    `timeout` is the longest time in seconds that opening it may take. Entering raises what `websockets` raises.
    """
    options: dict[str, Any] = {
        "create_connection": Line,
        "logger": _silent,
        "open_timeout": timeout,
        "close_timeout": _CLOSES_IN,
        "max_size": _MOST_MESSAGE,
        # What is packed small may be large.
        "compression": None,
        # The SDK calls the library as it was called before version 17; that is a warning otherwise.
        "legacy": True,
    }
    if sdk.base_url.scheme == "https":
        options["ssl"] = exchange.certificates()
    # The SDK hands these on as they are; its own type names those alone that both of its ways share.
    return sdk.realtime.connect(model=model, websocket_connection_options=cast("Any", options))
