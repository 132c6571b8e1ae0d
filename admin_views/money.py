"""Money: buying, earning, and what staff see of it; a module for each."""

from typing import Any

from admin_views import money_earnings, money_shop, money_staff
from admin_views.resources import Resources


def views(resources: Resources) -> list[Any]:
    """The views of all three modules."""
    return [*money_shop.views(resources), *money_staff.views(resources), *money_earnings.views(resources)]
