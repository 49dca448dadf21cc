"""The recordings in the bytes of a file: one module for each family of containers, none of which decodes sound."""
