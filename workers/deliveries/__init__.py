"""The webhook loop: one event loop per process, warm connections, nobody waits for a slow neighbour."""
