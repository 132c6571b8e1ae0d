"""OpenAI's SDK as each provider opens it: without retries of its own, and without anybody's account from the environment."""

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx2 import Client
    from openai import OpenAI


def opened(*, base_url: str, key: str, http_client: "Client | None" = None) -> "OpenAI":
    """A client of the server at `base_url`; whoever opened it closes it."""
    from openai import OpenAI

    # Retries are the wrappers', which know of budgets and deadlines; the SDK's would multiply them, and pay for them.
    sdk = OpenAI(base_url=base_url, api_key=key, max_retries=0, http_client=http_client)
    # The SDK takes these from the environment, where they belong to some other program's account.
    sdk.organization = None
    sdk.project = None
    return sdk


class ProcessClient:
    """One client for each process, opened when it is first asked for: connections are not shared with a process that forked."""

    def __init__(self, *, base_url: str, key: str) -> None:
        self._base_url = base_url
        self._key = key
        self._lock = threading.Lock()
        self._sdk: OpenAI | None = None
        self._process = 0

    def get(self) -> "OpenAI":
        """This process' client."""
        with self._lock:
            if self._sdk is None or self._process != os.getpid():
                self._sdk, self._process = opened(base_url=self._base_url, key=self._key), os.getpid()
            return self._sdk

    def close(self) -> None:
        """Close the connections; the next `get` opens new ones."""
        with self._lock:
            if self._sdk is not None and self._process == os.getpid():
                self._sdk.close()
            self._sdk = None
