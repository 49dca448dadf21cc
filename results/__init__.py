"""Measured results: one JSON file for each command that measured them, and what shows them in the documentation.

A file of results holds its command, date, versions and machine. Documents show results in marked blocks only, which
`results.blocks` fills from the files; ``python -m results`` lists, fills, checks and remakes.
"""
