"""A launcher in a process of its own: brings the servers of a data folder up, says so, and waits to be told to end."""

import json
import signal
import sys
from pathlib import Path

from studio.embedded.services import Services, running
from studio.settings import Settings


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = Settings(_env_file=None, data=Path(sys.argv[1]))
    with running(settings, exclusive=True) as live:
        sys.stdout.write(
            json.dumps({"database_url": live.database_url.get_secret_value(), "note": str(Services.place(settings))})
            + "\n"
        )
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
