"""The way in of time and queues: what runs by itself, each job a thin step from an id to a service."""
