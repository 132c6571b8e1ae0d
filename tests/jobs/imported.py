"""Everything that a worker and a scheduler import and set up, in the process that theirs are forks of."""

from jobs import registry, schedule, worker
from jobs.resources import prepare_tables
from tests.jobs import stage

__all__ = ["schedule", "stage", "worker"]

registry.load()
prepare_tables()
