"""A stock Flask-Admin 2.2 ModelView over `characters`: its columns, its templates, its pager, its count."""

import os

from flask import Flask
from flask_admin import Admin
from flask_admin.contrib.sqla import ModelView
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy

from studio import tables
from studio.authoring.models import Character


class CharacterView(ModelView):
    """What the documentation begins with, and the same search and order as the others."""

    # These exist for our search only; loading them row by row would be our mapping's fault.
    column_exclude_list = ("search_text", "bigrams")
    column_searchable_list = ("name", "description")
    column_default_sort = ("updated_at", True)


app = Flask(__name__)
app.config.update(
    SECRET_KEY="x",
    SQLALCHEMY_DATABASE_URI=os.environ["STUDIO_DATABASE_URL"],
    SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10},
)
# Flask-Admin asks for it wherever Flask-Babel is installed.
Babel(app)
db = SQLAlchemy(app, metadata=tables.metadata)
with app.app_context():
    admin = Admin(app, name="Stock")
    admin.add_view(CharacterView(Character, db, endpoint="characters", url="/characters"))
