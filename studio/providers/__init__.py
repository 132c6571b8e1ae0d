"""Everything outside the process: a Protocol for each, the real clients, and an honest local one."""
