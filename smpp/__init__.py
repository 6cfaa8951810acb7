"""SMPP 3.4 as a library: no framework, no clock, no socket (`smpp.stream` alone knows asyncio)."""
