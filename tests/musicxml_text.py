"""MusicXML as text, for tests: notes, measures and parts with 12 divisions to the quarter note."""

from collections.abc import Sequence

FOUR_FOUR = "<time><beats>4</beats><beat-type>4</beat-type></time>"
DIVISIONS = 12


def note(
    pitch: str = "C4",
    quarters: float = 1,
    *,
    first: str = "",
    tie: str = "",
    voice: str = "",
    staff: int = 0,
    last: str = "",
    attributes: str = "",
) -> str:
    """A note such as "F#4"; "r" is a rest. `first` and `last` stand before the pitch and at the end."""
    step, alter, octave = pitch[0], pitch[1:-1].count("#") - pitch[1:-1].count("b"), pitch[-1]
    altered = f"<alter>{alter}</alter>" if alter else ""
    sound = (
        "<rest/>" if pitch == "r" else f"<pitch><step>{step}</step>{altered}<octave>{octave}</octave></pitch>"
    )
    length = "" if "<grace" in first else f"<duration>{round(DIVISIONS * quarters)}</duration>"
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    where = (f"<voice>{voice}</voice>" if voice else "", f"<staff>{staff}</staff>" if staff else "")
    return f"<note{attributes}>{first}{sound}{length}{ties}{where[0]}{where[1]}{last}</note>"


def notes(pitches: str, quarters: float = 1, **options: object) -> str:
    """Notes of one length, one after the other, by their names."""
    return "".join(note(one, quarters, **options) for one in pitches.split())  # type: ignore[arg-type]


def chord(pitches: str, quarters: float = 1) -> str:
    """Notes of one length that sound together."""
    return "".join(note(one, quarters, first="<chord/>" * (i > 0)) for i, one in enumerate(pitches.split()))


def move(kind: str, quarters: float) -> str:
    """A `<backup>` or a `<forward>`."""
    return f"<{kind}><duration>{round(DIVISIONS * quarters)}</duration></{kind}>"


def backup(quarters: float) -> str:
    return move("backup", quarters)


def forward(quarters: float) -> str:
    return move("forward", quarters)


def score(*parts: Sequence[str], time: str = FOUR_FOUR, listed: Sequence[str] = (), head: str = "") -> str:
    """A score of parts, each a list of the contents of its measures.

    Args:
        parts: The contents of the measures of each part.
        time: What the first measures hold besides the divisions.
        listed: What the list of parts holds for each part.
        head: Stands before the list of parts.
    """
    entries, bodies = "", ""
    for number, measures in enumerate(parts, 1):
        inside = listed[number - 1] if len(listed) >= number else f"<part-name>Part {number}</part-name>"
        entries += f'<score-part id="P{number}">{inside}</score-part>'
        bodies += f'<part id="P{number}">'
        for count, measure in enumerate(measures, 1):
            attributes = f"<attributes><divisions>{DIVISIONS}</divisions>{time}</attributes>"
            content = measure if measure.startswith("<measure") else f'<measure number="{count}">{measure}'
            opening, _, rest = content.partition(">")
            bodies += f"{opening}>{attributes * (count == 1)}{rest}</measure>"
        bodies += "</part>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0">'
        f"{head}<part-list>{entries}</part-list>{bodies}</score-partwise>"
    )
