"""Jobs, queues, budgets and schedules on the screen."""
