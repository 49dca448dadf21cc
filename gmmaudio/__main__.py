"""``python -m gmmaudio``."""

from gmmaudio.cli import main

main()
