"""Looking at the data: the report (one page, for a run), the explorer (a local web server), and the maps of both."""
