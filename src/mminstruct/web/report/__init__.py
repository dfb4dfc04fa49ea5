"""One page about a run, or a benchmark's page with figures: a file that opens without server and network."""
