"""Peers side by side on the same data, each in one run: ``python -m benchmarks.NAME``."""
