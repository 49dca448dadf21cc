"""The styles of the synthetic music."""

from data_scripts.styles import STYLES


def test_rhythms_of_a_style_are_bars_of_one_length():
    for style in STYLES:
        rhythms = (*style.kick, *style.snare, *style.hat, *style.bass, *style.chords)
        assert len({len(rhythm) for rhythm in rhythms}) == 1, style.label
        assert len(rhythms[0]) % style.n_steps == 0, style.label
        assert not set("".join((*style.kick, *style.snare, *style.hat, *style.chords))) - set("xo.")
        assert not set("".join(style.bass)) - set("1234567.")
