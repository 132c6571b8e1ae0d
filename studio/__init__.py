"""What the studio knows and does: domains, services and their rules, with no web framework, queue or broker inside."""
