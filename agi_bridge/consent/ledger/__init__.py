"""The ledger: consents in SQLite or PostgreSQL, on one thread of its own."""
