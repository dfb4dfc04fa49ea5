"""Engines: where per-row work runs."""
