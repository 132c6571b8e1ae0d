"""Money: purchases, downloads, the ledger, payouts, statements, and their checks."""
