"""Scripts that make corpora with manifests; not part of the installed package."""
