"""Read tunes in abc notation: books of tunes, their fields and the music of their voices."""

from symbolic.music.abc.book import abc_tunes, parse_abc, parse_abc_file

__all__ = ["abc_tunes", "parse_abc", "parse_abc_file"]
