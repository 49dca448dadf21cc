"""One short script for each experiment: choices, no logic."""
