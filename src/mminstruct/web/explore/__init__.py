"""The explorer: a local web server over a run's or a benchmark's folder (`mminstruct explore`).

RUN ─► library.py (its rows in DuckDB) ─► one module a view: routes(explorer) ─► app.py ─► safety.py ─► server.py
"""
