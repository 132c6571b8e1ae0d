"""What `make bench` measures: the studio against stock Flask-Admin, Django's admin, the seeds' ivfflat and plain RQ."""
