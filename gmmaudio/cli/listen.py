"""``gmmaudio listen``: a model and sound as it arrives -> a line at every hop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import options
from gmmaudio.json_text import to_json

if TYPE_CHECKING:
    from gmmaudio.audio import Samples
    from gmmaudio.audio.microphone import Microphone
    from gmmaudio.models import Model
    from gmmaudio.pipeline import ListenSettings
    from gmmaudio.timelines import TimelineSegment

# raw samples are passed on in pieces of this length, seconds: what a line can be late
RAW_PIECE_S = 0.1


def _list_devices(ctx: click.Context, _param: click.Parameter, is_asked: bool) -> None:
    """Write the microphones to stdout, and end."""
    if not is_asked or ctx.resilient_parsing:
        return
    from gmmaudio.audio.microphone import list_microphones
    from gmmaudio.cli.console import say
    from gmmaudio.names import printable

    found = list_microphones()
    for device in found:
        mark = "  default" if device.is_default else ""
        click.echo(
            f"{device.index:3}  {printable(device.name)}  {device.sample_rate_hz} Hz, {device.n_channels} "
            f"channel{'s' * (device.n_channels != 1)}{mark}"
        )
    if not found:
        say("no microphone is found")
    ctx.exit()


@click.command(name="listen")
@click.argument("model", type=options.FILE)
@click.option(
    "--raw",
    "raw_hz",
    type=int,
    metavar="RATE",
    help="Read raw samples, 16-bit little endian, of this rate from standard input, not a microphone.",
)
@click.option(
    "--channels", "n_channels", default=1, show_default=True, metavar="N", help="Channels, which are mixed to mono."
)
@click.option("--device", metavar="NAME|N", help="Microphone: its number or part of its name. [default: the system's]")
@click.option(
    "--list-devices", is_flag=True, is_eager=True, expose_value=False, callback=_list_devices, help="List microphones."
)
@click.option(
    "--window", "window_s", type=float, metavar="S", help="Length of the window, seconds. [default: that of training]"
)
@click.option("--hop", "hop_s", type=float, metavar="S", help="From one line to the next, seconds. [default: 1]")
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="LABEL=P",
    help="Class prior of a label; labels not named share the rest equally.",
)
@click.option(
    "--format",
    "output_format",
    type=options.Choice(("text", "jsonl")),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option("--seconds", type=float, metavar="S", help="End after this much sound, seconds.")
def command(
    model: Path,
    raw_hz: int | None,
    n_channels: int,
    device: str | None,
    window_s: float | None,
    hop_s: float | None,
    priors: tuple[str, ...],
    output_format: str,
    seconds: float | None,
) -> None:
    """Say what a microphone hears, or raw samples on standard input: a line at every hop, of the latest window.

    A line has the time since the start, the probability and the label, or [unknown] or [silence]. It is what classify
    answers for the last seconds of the sound. Ctrl-C ends.
    """
    from gmmaudio.cli.classify import label_priors
    from gmmaudio.models import load_model
    from gmmaudio.pipeline import ListenSettings

    if raw_hz is not None and device is not None:
        raise click.UsageError("--device is a microphone, and --raw is standard input; name one of them.")
    loaded = load_model(model)
    settings = ListenSettings(window_s, hop_s, label_priors(priors, loaded.scorer.labels), seconds)
    _remark_on_window(loaded, settings)
    if raw_hz is None:
        _follow_microphone(loaded, settings, device, n_channels, _writer(output_format))
    else:
        _follow_stdin(loaded, settings, raw_hz, n_channels, _writer(output_format))


def _remark_on_window(model: Model, settings: ListenSettings) -> None:
    """Write to stderr where the window is much shorter than those of training."""
    from gmmaudio.cli.console import say
    from gmmaudio.models.windows import MUCH_SHORTER, calibrated_window_s

    window_s, trained_s = settings.of(model).window_s, calibrated_window_s(model.training)
    if window_s < MUCH_SHORTER * trained_s:
        say(
            f"note: windows of {window_s:.3g} s: the model was calibrated on {trained_s:.3g} s, so probabilities are "
            "too sure"
        )


def _follow_stdin(
    model: Model, settings: ListenSettings, raw_hz: int, n_channels: int, write: Callable[[TimelineSegment], None]
) -> None:
    """Write the answers for raw samples on standard input."""
    from gmmaudio.audio import read_raw_blocks
    from gmmaudio.cli.inputs import stdin_bytes
    from gmmaudio.pipeline import listen

    sr = model.features.sound_frames.sample_rate_hz
    blocks = read_raw_blocks(stdin_bytes(), raw_hz, sr, n_channels=n_channels, piece_s=RAW_PIECE_S)
    for answer in listen(model, blocks, settings):
        write(answer)


def _follow_microphone(
    model: Model,
    settings: ListenSettings,
    device: str | None,
    n_channels: int,
    write: Callable[[TimelineSegment], None],
) -> None:
    """Write the answers for a microphone."""
    from gmmaudio.audio.microphone import open_microphone
    from gmmaudio.cli.console import say
    from gmmaudio.pipeline import listen

    number = int(device) if device is not None and device.isdecimal() else device
    with open_microphone(number, n_channels=n_channels) as microphone:
        say(f"listening to {microphone.info.name} at {microphone.info.sample_rate_hz} Hz; Ctrl-C ends")
        blocks = _with_losses_said(microphone, microphone.blocks(model.features.sound_frames.sample_rate_hz))
        for answer in listen(model, blocks, settings):
            write(answer)


def _with_losses_said(microphone: Microphone, blocks: Iterator[Samples]) -> Iterator[Samples]:
    """Yield the blocks, and write to stderr once that sound was lost, for one reason and for the other."""
    from gmmaudio.cli.console import say

    is_late = is_overflown = False
    for block in blocks:
        if microphone.lost_s and not is_late:
            is_late = True
            say("warning: sound is lost, as answers take longer than the sound itself; take a longer --hop")
        if microphone.n_overflows and not is_overflown:
            is_overflown = True
            say("warning: sound is lost between the device and this program (input overflow); times are too early")
        yield block


def _writer(output_format: str) -> Callable[[TimelineSegment], None]:
    """Return the function that writes an answer to standard output at once."""
    from gmmaudio.names import printable
    from gmmaudio.timelines.rounding import milliseconds, on_clock
    from gmmaudio.timelines.written_names import written_name

    def text(answer: TimelineSegment) -> str:
        share = "" if answer.probability is None else f"{100 * answer.probability:.1f} %"
        return f"{on_clock(milliseconds(answer.end_s), digits=1)}  {share:>8}  {printable(written_name(answer))}"

    def record(answer: TimelineSegment) -> str:
        probability = None if answer.probability is None else round(answer.probability, 4)
        times = {"start": milliseconds(answer.start_s) / 1000, "end": milliseconds(answer.end_s) / 1000}
        return to_json({**times, "status": answer.status, "label": answer.label, "probability": probability})

    def write(answer: TimelineSegment) -> None:
        click.echo({"text": text, "jsonl": record}[output_format](answer))

    return write
