"""Tables on a terminal, by rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gmmaudio.names import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_captured(draw: Callable[[Console], None]) -> None:
    """Write to stdout what is printed on a console of rich.

    Parameters
    ----------
    draw : callable
        Prints on the console that it gets.
    """
    from rich.console import Console

    # where stdout is no terminal, lines are never folded: a reader downstream needs whole rows
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    # rich would end the process with an exit code of its own where the reader has closed stdout
    with console.capture() as capture:
        draw(console)
    sys.stdout.write(capture.get())
    sys.stdout.flush()


def make_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of rich whose first column is text and whose others are numbers.

    Parameters
    ----------
    title : str
        Above the table.
    heads : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for i, head in enumerate(heads):
        table.add_column(Text(printable(head)), justify="right" if i else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
