"""The key that signs sessions, links and test payments: given, or made once for this machine."""

import os
import secrets
import time
from pathlib import Path

from studio.settings import Settings


def secret_key(settings: Settings) -> str:
    """The key that signs sessions: the setting's, else one made once under the data folder for this machine."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    path = settings.data / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Whoever comes first makes it; nobody but the owner may ever read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_key(path)
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_urlsafe(48)
        file.write(key)
    return key


def _read_key(path: Path) -> str:
    # Another process may have made the file and not yet written it.
    for _attempt in range(50):
        key = path.read_text().strip()
        if key:
            return key
        time.sleep(0.02)
    raise ValueError(f"{path} is empty. Delete it; a new key is made, and everybody signs in again.")
