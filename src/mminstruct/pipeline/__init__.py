"""A run on disk: its tables, its manifest, the stages wired to them, and what is read from them afterwards."""
