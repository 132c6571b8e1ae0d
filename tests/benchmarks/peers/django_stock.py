"""Django 5.2's admin over the same table, by an unmanaged model; a superuser is signed in by a session of its own."""

import os

import django
from django.apps import AppConfig
from django.conf import settings
from sqlalchemy import make_url

PATH = "/admin/bench/character/"


def configure() -> None:
    """Set Django up on the studio's database; what it needs beside `characters` are its own tables."""
    url = make_url(os.environ["STUDIO_DATABASE_URL"])
    settings.configure(
        SECRET_KEY="x" * 50,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.benchmarks.peers.django_urls",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "tests.benchmarks.peers.django_stock.BenchConfig",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.database,
                "USER": url.username,
                "PASSWORD": url.password,
                "HOST": url.host,
                "PORT": url.port,
                "CONN_MAX_AGE": None,
            }
        },
        STATIC_URL="/static/",
        USE_TZ=True,
    )
    django.setup()


class BenchConfig(AppConfig):
    """An app for the one model."""

    name = "tests.benchmarks.peers"
    label = "bench"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the model once the apps are there."""
        from django.contrib import admin
        from django.db import models

        class Character(models.Model):
            id = models.UUIDField(primary_key=True)
            name = models.TextField()
            status = models.TextField()
            tagline = models.TextField()
            content_rating = models.TextField()
            description = models.TextField()
            updated_at = models.DateTimeField()

            class Meta:
                app_label = "bench"
                managed = False
                db_table = "characters"

            def __str__(self) -> str:
                return self.name

        class CharacterAdmin(admin.ModelAdmin):
            list_display = ("name", "status", "tagline", "content_rating", "updated_at")
            search_fields = ("name", "description")
            ordering = ("-updated_at",)
            list_per_page = 20

        admin.site.register(Character, CharacterAdmin)


def sign_in() -> str:
    """Have Django's tables and a superuser exist; return the cookie header of a session in which they are signed in."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_superuser("bench", "bench@example.com", "x")
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"
