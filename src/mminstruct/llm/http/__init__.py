"""The request engine: one request's way to an endpoint and back, as fast as the wire, and what to do on faults."""
