"""Scripts that make or fetch corpora; each ends by writing a manifest. Not part of the installed package."""
