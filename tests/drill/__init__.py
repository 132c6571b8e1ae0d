"""The fault drill: thousands of jobs while workers, queue, database and disk fail, ours and plain RQ 3; `make drill`."""
