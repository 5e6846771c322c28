"""Verification: verdicts on chains, a ledger or an export."""
