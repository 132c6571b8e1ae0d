"""The way in for people: thin views that turn a form into a service's call and its result into a page."""

import importlib
import importlib.util

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Theme

from admin_views.home import HomeView
from admin_views.resources import Resources

MODULES = (
    "palette",
    "tray",
    "authoring",
    "test_chat",
    "voices",
    "speech",
    "chat_media",
    "assist",
    "trash",
    "stories",
    "lorebooks",
    "search",
    "media",
    "market",
    "review",
    "review_figures",
    "reports",
    "appeals",
    "money",
    "work",
    "work_queues",
    "work_schedules",
    "work_bulk",
    "work_budgets",
    "bulk",
    "exports",
    "operations",
    "accounts",
    "audit",
)
"""One module per domain; each has `views(resources)` that makes its views. Their order is not the navigation's."""


def register(app: Flask, resources: Resources) -> Admin:
    """Register every view. A template of Flask-Admin's own can never be rendered: the theme's folder has none."""
    admin = Admin(
        name="Greenroom",
        url="/",
        index_view=HomeView(resources),
        theme=Theme(folder="studio", base_template="base/page.html"),
        static_url_path="/unused",
    )
    for name in MODULES:
        full_name = f"admin_views.{name}"
        if importlib.util.find_spec(full_name) is None:
            continue
        for view in importlib.import_module(full_name).views(resources):
            admin.add_view(view)
    admin.init_app(app)
    return admin
