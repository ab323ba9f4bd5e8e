"""MIDI programs and drum notes from the names of instruments, where a score states no numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

_Table = Sequence[tuple[re.Pattern[str], int]]


def _table(rows: Sequence[tuple[str, int]]) -> _Table:
    return [(re.compile(rf"\b(?:{words})"), number) for words, number in rows]


# The first row that matches holds: compound names stand before what they are made of.
_PROGRAMS = _table(
    [
        ("piccolo|ottavino|petite fl", 72),
        ("recorder|blockfl|flauto dolce", 74),
        ("pan ?flute|panpipe", 75),
        ("flute|flûte|flaut|flöte|fl\\b|wind flutes", 73),
        ("english horn|engl\\w* horn|englisch|cor anglais|corno ingl|cor ingl", 69),
        ("oboe|hautb|hoboe|ob\\b", 68),
        ("bassoon|fagott|fagotes|basson|contrabassoon|double bassoon|contrafag|kontrafag|bsn\\b|fg\\b", 70),
        ("(?:bass )?clarin|klarin|basset|cl\\b", 71),
        ("soprano sax|sax\\w* soprano", 64),
        ("tenor sax|sax\\w* tenor", 66),
        ("baritone sax|sax\\w* bari", 67),
        ("alto sax|sax", 65),
        ("trombon|posaun|tbn\\b|sackbut", 57),
        ("trump|tromb|tromp|cornet|cornett|tpt\\b|flugel|flügel", 56),
        ("tuba|ophicl|euphon|tba\\b", 58),
        ("horn|corn[oi]\\b|cors?\\b|brass french", 60),
        ("timp|pauk|timbales", 47),
        ("celest", 8),
        ("glockenspiel|campanell", 9),
        ("music box", 10),
        ("vibra", 11),
        ("marimba", 12),
        ("xyl", 13),
        ("tubular|chimes|campan|bells", 14),
        ("dulcimer|cimbalom", 15),
        ("harmonium|reed organ", 20),
        ("accord|bandoneon|akkord", 21),
        ("harmonica", 22),
        ("organ|orgel|orgue|hammond", 19),
        ("harpsichord|cembal|clavecin|clavicemb|keyboard harpsi", 6),
        ("clavichord", 7),
        ("electric piano|e piano|rhodes", 4),
        ("piano|klavier|pianof|pno\\b|keyboard piano", 0),
        ("electric bass|bass guitar|pluck bass|fretless", 33),
        ("electric guitar|guitar electric|pluck guitar electric", 27),
        ("banjo", 105),
        ("mandol|ukulele", 25),
        ("guitar|gitarr|chitarra|lute|laute|luth|theorb|pluck guitar", 24),
        ("harp|arpa|harfe", 46),
        ("violoncell|cell[oi]|'cell|vlc\\b|vc\\b|viola da gamba|viol\\b", 42),
        ("viola|viole|bratsche|altos\\b|vla\\b", 41),
        ("contrab|kontrab|double ?bass|contreb|strings contrabass|cb\\b|db\\b", 43),
        ("violin|violon|geige|vln\\b|vl\\b|vn\\b", 40),
        ("fiddle", 110),
        ("bagpipe", 109),
        ("choir|chorus|chor\\b|choeur|chœur|coro", 52),
        (
            "voice|vocal|voix|sopran|mezzo|cantus|canto|alto|altus|contralto|tenor|tenore|bariton|bass[ou]?s?\\b",
            52,
        ),
        ("singst|gesang|stimme|sang\\b|chant|discant|superius|vox", 52),
        ("strings?|archi|streicher|cordes", 48),
    ]
)
_DRUMS = _table(
    [
        (
            "bass drum|kick|gr(?:an)? ?cas|gro(?:ß|ss)e trommel|grosse caisse|drum bass|tamb(?:o?ur|uro) gr",
            36,
        ),
        ("side stick|rim", 37),
        (
            "snare|side drum|kleine trommel|caisse claire|tamburo|tambour\\b(?! de)|werbel|drum snare",
            38,
        ),
        ("clap", 39),
        ("hi ?hat", 42),
        ("ride", 51),
        ("tam ?tam|gong|china", 52),
        ("tambourin|tamburin|tambour de ?basque", 54),
        ("splash", 55),
        ("cowbell|metal bells cowbell", 56),
        ("cymbal|crash|becken|piatti|metal cymbal", 49),
        ("bongo", 60),
        ("conga", 63),
        ("timbale", 65),
        ("maraca", 70),
        ("guiro|güiro", 73),
        ("claves", 75),
        ("wood ?block|temple block", 76),
        ("triang", 81),
        ("shaker", 82),
        ("jingle|sleigh", 83),
        ("castan|kastag", 85),
        ("tom ?tom|toms?\\b|drum tom", 47),
    ]
)


def program_of(name: str) -> int | None:
    """Return the MIDI program of an instrument by its name. None where it is unknown.

    Args:
        name: As in a score, in one of a few languages or a MusicXML sound such as "wind.flutes.flute".
    """
    return _found(name, _PROGRAMS)


def drum_of(name: str) -> int | None:
    """Return the note of the General MIDI drum kit for an instrument by its name. None where it is unknown."""
    return _found(name, _DRUMS)


def _found(name: str, table: _Table) -> int | None:
    words = re.sub(r"[\W_]+", " ", name.casefold().replace("'", "")).strip()
    return next((number for pattern, number in table if pattern.search(words)), None)
