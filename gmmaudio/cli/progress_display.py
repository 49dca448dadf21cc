"""The progress of long stages on stderr: bars on a terminal, a line a minute elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gmmaudio.cli.console import say
from gmmaudio.compute import Progress, quiet

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Item = TypeVar("Item")
LINE_EVERY_S = 60.0
BAR_WIDTH = 20


@dataclass(eq=False)
class Stage:
    """A stage that is running, and how many of its items are done.

    Parameters
    ----------
    name : str
        What is being done.
    total : int or None
        Number of items; None where it is not known.
    began_s : float
        Clock at its start, seconds.
    done : int
        Items that are done.
    last_s : float
        Clock when the last of them was done, seconds.
    sound_s : float
        Sound that they were made of, seconds; 0 where the stage reads none.
    """

    name: str
    total: int | None
    began_s: float
    done: int = 0
    last_s: float = 0.0
    sound_s: float = 0.0

    def left_s(self, now_s: float) -> float | None:
        """Return the estimated time left, seconds; None before the first item is done, or where it is not known.

        Parameters
        ----------
        now_s : float
            Clock, seconds.

        Examples
        --------
        >>> Stage("folds", 5, began_s=0.0, done=2, last_s=20.0).left_s(25.0)
        25.0
        """
        if not self.done or self.total is None:
            return None
        seconds_per_item = (self.last_s - self.began_s) / self.done
        return max(0.0, self.last_s + seconds_per_item * (self.total - self.done) - now_s)

    def count(self, between: str) -> str:
        """Return the number of items that are done, and of all where that is known.

        Parameters
        ----------
        between : str
            What is written between the two.

        Examples
        --------
        >>> Stage("folds", 5, began_s=0.0).count(" of "), Stage("classifying", None, began_s=0.0).count(" of ")
        ('0 of 5', '0')
        """
        return str(self.done) if self.total is None else f"{self.done}{between}{self.total}"

    def speed(self) -> float | None:
        """Return the seconds of sound for each second of the stage; None where it reads none.

        Examples
        --------
        >>> Stage("extracting features", 5, began_s=0.0, done=2, last_s=20.0, sound_s=60.0).speed()
        3.0
        """
        elapsed_s = self.last_s - self.began_s
        return self.sound_s / elapsed_s if self.sound_s > 0 and elapsed_s > 0 else None


class ProgressDisplay:
    """Progress of stages inside one another, as :class:`gmmaudio.compute.Progress` describes it.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.stages: list[Stage] = []

    def __call__(self, items: Iterable[Item], total: int | None, name: str, /) -> Iterator[Item]:
        """Yield the items, each of them done when the next one is asked for."""
        stage = Stage(name, total, self.clock())
        self.stages.append(stage)
        self.changed()
        try:
            for item in items:
                yield item
                stage.done, stage.last_s = stage.done + 1, self.clock()
                stage.sound_s += getattr(item, "duration_s", None) or 0.0
                self.changed()
        finally:
            if stage in self.stages:
                self.stages.remove(stage)

    def say(self, line: str) -> None:
        """Write a line on the course of the run.

        Parameters
        ----------
        line : str
            The line.
        """
        say(line)

    def changed(self) -> None:
        """Show that a stage began or got further."""

    def close(self) -> None:
        """End the display; nothing of it stays on a terminal."""


class LineDisplay(ProgressDisplay):
    """One line a minute, or as often as is asked for.

    Parameters
    ----------
    write : callable
        Writes a line.
    clock : callable
        Returns the time in seconds.
    every_s : float
        From one line to the next, seconds.
    """

    def __init__(
        self,
        write: Callable[[str], None] = say,
        clock: Callable[[], float] = time.monotonic,
        *,
        every_s: float = LINE_EVERY_S,
    ) -> None:
        super().__init__(clock)
        self.write = write
        self.every_s = every_s
        self.last_line_s = clock()

    def changed(self) -> None:
        """Write a line where the last one is old enough."""
        now_s = self.clock()
        if now_s - self.last_line_s >= self.every_s:
            self.write(progress_line(self.stages, now_s))
            self.last_line_s = now_s


class BarDisplay(ProgressDisplay):
    """A bar for each stage, an inner one below its outer one; an inner bar vanishes when its stage ends.

    Parameters
    ----------
    console : rich.console.Console
        A terminal.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.live import Live

        super().__init__(clock)
        self.live = Live(
            console=console,
            get_renderable=self.bars,
            refresh_per_second=4,
            transient=True,
            # what goes to a file or a pipe must not come out on the terminal
            redirect_stdout=sys.stdout.isatty(),
        )

    def bars(self) -> Table:
        """Return the bars of the stages that are running."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now_s = self.clock()
        table = Table.grid(padding=(0, 1))
        for depth, stage in enumerate(tuple(self.stages)):
            table.add_row(
                Text("  " * depth + stage.name),
                # without a total it moves to and fro
                ProgressBar(None if stage.total is None else max(stage.total, 1), stage.done, width=BAR_WIDTH),
                Text(stage.count("/")),
                Text(speed_text(stage.speed())),
                Text(f"{time_text(now_s - stage.began_s)} elapsed,"),
                Text(left_text(stage.left_s(now_s))),
            )
        return table

    def changed(self) -> None:
        """Start the display with its first stage; it refreshes itself from then on."""
        if not self.live.is_started:
            self.live.start(refresh=True)

    def close(self) -> None:
        """Erase the bars."""
        self.stages.clear()
        self.live.stop()


@contextlib.contextmanager
def show_progress(*, is_quiet: bool, line_every_s: float | None = None) -> Iterator[Progress]:
    """Give what shows progress on stderr while a command works.

    Parameters
    ----------
    is_quiet : bool
        Show nothing.
    line_every_s : float or None
        Write lines, also on a terminal, and so many seconds apart; None shows bars there.
    """
    if is_quiet:
        yield quiet
        return
    display: ProgressDisplay
    if line_every_s is not None:
        display = LineDisplay(every_s=line_every_s)
    else:
        display = BarDisplay(_terminal()) if _has_bars() else LineDisplay()
    try:
        yield display
    finally:
        display.close()


def _has_bars() -> bool:
    """Return whether stderr is a terminal on which lines can be erased."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _terminal() -> Console:
    """Return stderr as a terminal; without colours where NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=True, force_terminal=True)


def progress_line(stages: Iterable[Stage], now_s: float) -> str:
    """Return the stages in one line, the outermost first, whose times these are.

    Parameters
    ----------
    stages : iterable of Stage
        Stages that are running, at least one.
    now_s : float
        Clock, seconds.

    Examples
    --------
    >>> folds = Stage("cross-validation folds", 5, began_s=0.0, done=2, last_s=60.0)
    >>> progress_line([folds, Stage("inner folds", 3, began_s=60.0)], 70.0)
    'cross-validation folds 2 of 5, inner folds 0 of 3: 1:10 elapsed, about 1:20 left'
    """
    stages = list(stages)
    names = ", ".join(f"{stage.name} {stage.count(' of ')} {speed_text(stage.speed())}".rstrip() for stage in stages)
    return f"{names}: {time_text(now_s - stages[0].began_s)} elapsed, {left_text(stages[0].left_s(now_s))}"


def speed_text(speed: float | None) -> str:
    """Return the seconds of sound for each second in words, which are empty where a stage reads none.

    Parameters
    ----------
    speed : float or None
        Seconds of sound for each second.

    Examples
    --------
    >>> speed_text(312.3), speed_text(0.82), speed_text(None)
    ('at 312x real time', 'at 0.8x real time', '')
    """
    if speed is None:
        return ""
    return f"at {speed:.0f}x real time" if speed >= 10 else f"at {speed:.1f}x real time"


def left_text(left_s: float | None) -> str:
    """Return the time left in words.

    Parameters
    ----------
    left_s : float or None
        Seconds; None where it is unknown.

    Examples
    --------
    >>> left_text(61.0)
    'about 1:01 left'
    """
    return "time left unknown" if left_s is None else f"about {time_text(left_s)} left"


def time_text(seconds: float) -> str:
    """Return a time in minutes and seconds, from an hour on with hours.

    Parameters
    ----------
    seconds : float
        At least 0.

    Examples
    --------
    >>> time_text(59.9), time_text(3725)
    ('0:59', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
