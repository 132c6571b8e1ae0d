"""The way in for people: thin views that turn a form into a service's call and its result into a page."""

import importlib

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Theme

from admin_views.home import HomeView
from admin_views.resources import Resources

MODULES = (
    "palette",
    "work.tray",
    "authoring.characters",
    "chat.test_chat",
    "voices.voices",
    "voices.speech",
    "chat.media",
    "authoring.assist",
    "authoring.trash",
    "authoring.stories",
    "lorebooks.book",
    "authoring.search",
    "media.files",
    "market.listings",
    "review.cases",
    "review.figures",
    "review.reasons",
    "market.reports",
    "market.own_reports",
    "market.appeals",
    "money.shop",
    "money.purchases",
    "money.local_payments",
    "money.staff",
    "money.sales",
    "money.earnings",
    "money.statements",
    "money.payouts",
    "work.jobs",
    "work.queues",
    "work.schedules",
    "work.everything",
    "work.budgets",
    "operations.bulk",
    "operations.exports",
    "operations.errors",
    "accounts.people",
    "operations.audit",
)
"""The modules with screens; each has `views(resources)` that makes its views. Their order is not the navigation's."""


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
        for view in importlib.import_module(f"admin_views.{name}").views(resources):
            admin.add_view(view)
    admin.init_app(app)
    return admin
