"""Timelines with names that formats stumble over."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gmmaudio.timelines import Timeline, TimelineSegment

# the first name of any characters takes seconds: hypothesis makes its table of them
FIXED = settings(
    derandomize=True, deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
HOSTILE = (
    "fr",
    "unknown",
    "silence",
    "[unknown]",
    "[silence]",
    "hip hop",
    "a\tb",
    "a\nb\r\nc",
    'say "ja", ""nein""',
    "a,b;c",
    "00:00:01,000 --> 00:00:02,000",
    "<i>&amp;</i> {\\an8}",
    "]]> <!-- x -->",
    "\x00\x1b[31m\x85\x9f",
    "caf\udce9 \ud83d",
    "\u202efdp.exe\u2066",
    "two\u2028lines\u2029\x0b\x0c",
    "\ufeff\ufffe\uffff",
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \u4e2d\u6587 \U0001f3b5",
    "=1+1",
    "'=1+1",
    "@SUM(A1)",
    "\\x41 \\\\ \\- C:\\new",
    "  blanks\u00a0",
    "\u3000",
    "NA",
    "nan",
    "<NA>",
    ";; no comment",
    "SPEAKER",
    "7",
    'item [1]: intervals [2]: xmin = 3 text = "x"',
    "",
)

labels = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8), st.text(st.characters(), max_size=4))


PATH = st.just("talk.wav")


@st.composite
def timelines(draw, names=labels, path=PATH):
    """Return timelines of any segments, of which many are neighbours."""
    segments, now = [], 0.0
    for _ in range(draw(st.integers(0, 6))):
        now += draw(st.sampled_from((0.0, 0.0, 0.25, 1.0004, 7.77777)))
        end = now + draw(st.floats(0.0011, 4000.0))
        status = draw(st.sampled_from(("ok", "ok", "unknown", "silence")))
        segments.append(
            TimelineSegment(
                now,
                end,
                draw(names) if status == "ok" else None,
                status,
                draw(st.none() | st.floats(0, 1)),
                draw(st.none() | st.floats(0, 9)),
            )
        )
        now = end
    return Timeline(tuple(segments), duration_s=now + draw(st.sampled_from((0.0, 3.3))), path=draw(path))


def one_of_each(names=HOSTILE):
    """Return a timeline with a segment of two seconds for each name, a gap after each third, and both statuses."""
    parts = [TimelineSegment(2.5 * i, 2.5 * i + (2.0 if i % 3 == 2 else 2.5), name) for i, name in enumerate(names)]
    end = parts[-1].end_s
    parts += [TimelineSegment(end, end + 1, None, "unknown", 0.5), TimelineSegment(end + 1, end + 2, None, "silence")]
    return Timeline(tuple(parts), path="talks/one.wav")


def audible(line):
    """Return start, end and the pair of status and label of each segment that is not silent."""
    return [(part.start_s, part.end_s, part.key) for part in line.segments if part.status != "silence"]
