"""The reply store: every reply ever paid for, the ledger of who paid, and their care."""
