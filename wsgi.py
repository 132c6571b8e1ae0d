"""The web process: `granian --interface wsgi wsgi:app`, or any other WSGI server, beside a studio that is up."""

from studio.app import create_app
from studio.embedded import attach
from studio.settings import Settings

app = create_app(attach(Settings()))
