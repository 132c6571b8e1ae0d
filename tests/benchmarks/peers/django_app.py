"""The WSGI application of Django's admin."""

from django.core.wsgi import get_wsgi_application

from tests.benchmarks.peers.django_stock import configure

configure()
app = get_wsgi_application()
