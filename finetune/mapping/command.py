"""The command `finetune map`: a score for a performance, and a performance for a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.toolkit.command import parse
from data.toolkit.settings import Settings, setting
from symbolic.errors import ConfigError
from symbolic.replacing import write_whole

if TYPE_CHECKING:
    from symbolic.mapping.beats import Beats
    from symbolic.mapping.learnt import LearntMap
    from symbolic.music.notes import Music

SIDES = ("score", "performance")
OF_FILE, FOUND = "midi", "found"
"""Values of `--beats` for the beats that a MIDI file states itself, and for those that are found in the notes."""
_SCORES = (".musicxml", ".xml")
_RULE = "rules, without learnt weights"


@dataclass(kw_only=True)
class MapSettings(Settings):
    """A file and what to make of it."""

    file: str = setting(..., "performance or score", positional=True)
    to: str = setting(..., "score or performance", choices=SIDES)
    out: str | None = setting(None, "file to write (default: the name of the file, .musicxml or .mid)")
    beats: str | None = setting(
        None,
        "seconds of the beats, one a line; midi: as the file states them; found: as the notes suggest "
        "(default: by the tempo of the file where its notes keep it, else found)",
    )
    metre: str = setting("", "time signature such as 3/4 (default: that of the beats, or found)")
    tempo: float | None = setting(
        None, "quarter notes per minute (default: those of the score)", within="(0, 1000]"
    )
    rule: bool = setting(False, "use rules alone, not the weights learnt from (n)ASAP")

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit."""
        of_score = [name for name in ("beats", "metre") if getattr(self, name) and self.to != "score"]
        found = [f"--{name} is for --to score." for name in of_score]
        if self.tempo is not None and self.to == "score":
            found.append("--tempo is for --to performance.")
        suffixes = _SCORES if self.to == "score" else (".mid", ".midi")
        if self.out is not None and Path(self.out).suffix.lower() not in suffixes:
            found.append(f"--out {self.out}: must end in {' or '.join(suffixes)}.")
        return found

    @property
    def target(self) -> Path:
        """The file to write."""
        return Path(
            self.out or Path(self.file).with_suffix(_SCORES[0] if self.to == "score" else ".mid").name
        )


def map_between(argv: Sequence[str]) -> list[str]:
    """Write the other side of a piece; return what to print."""
    settings = parse("finetune map", _ABOUT, MapSettings, argv, _EXAMPLES)
    target = settings.target
    if target.resolve() == Path(settings.file).resolve():
        raise ConfigError(f"--out {target}: is the file itself. Name another one.")
    from symbolic.mapping.learnt import load_map

    learnt = None if settings.rule else load_map()
    lines = _to_score(settings, learnt) if settings.to == "score" else _to_performance(settings, learnt)
    return [*lines, f"made by {learnt.origin if learnt else _RULE}", f"{settings.to}  {target}"]


def _to_score(settings: MapSettings, learnt: LearntMap | None) -> list[str]:
    from symbolic.mapping.keys import KeySignature, stated_keys
    from symbolic.mapping.notation import notate, sheet
    from symbolic.mapping.quantisation import Rules
    from symbolic.music.files import read_music
    from symbolic.music.musicxml.writer import musicxml_bytes

    music = read_music(settings.file)
    if music.drums.all():
        raise ConfigError(f"{settings.file} holds no pitched notes, and so no score.")
    beats, source = _beats(settings, music, learnt)
    found = notate(music, beats, learnt.quantiser if learnt else Rules())
    keys = stated_keys(settings.file, music)
    named = f"{len(keys)} stated key signature{'s' * (len(keys) > 1)}" if keys else key_of(music)
    keys = keys or [KeySignature(0.0, fifths_of(named))]
    origin = f"Notated from {Path(settings.file).name} by {learnt.origin if learnt else _RULE}."
    page = sheet(music, beats, found, keys, Path(settings.file).stem, origin)
    _write(settings.target, musicxml_bytes(page))
    upper = beats.in_bar * (3 if beats.compound else 1)
    return [
        f"{len(page.notes):,} notes in {len(page.bars):,} bars of {upper}/{beats.lower}, {named}",
        f"{len(beats.times):,} beats {source}, {page.tempo:.0f} quarter notes per minute",
    ]


def _beats(settings: MapSettings, music: Music, learnt: LearntMap | None) -> tuple[Beats, str]:
    """Return beats and where they are from."""
    from symbolic.mapping.beats import RULES, beats_of_file, find_beats, read_beats, stated_beats

    tracker = learnt.tracker if learnt else RULES
    if settings.beats == OF_FILE:
        return beats_of_file(music), "as the file states them"
    if settings.beats not in (None, FOUND):
        return read_beats(settings.beats, music, settings.metre, tracker), f"of {settings.beats}"
    stated = stated_beats(music, settings.metre) if settings.beats is None else None
    if stated is not None:
        return stated, "by the tempo of the file, which its notes keep"
    return find_beats(music, settings.metre, tracker), "found in the notes"


def key_of(music: Music) -> str:
    """Return the key of a piece by the bundled `key`, such as "Eb minor"."""
    from symbolic.predict.loading import load
    from symbolic.predict.predictor import NotePredictor

    model = load("key")
    assert isinstance(model, NotePredictor)
    return str(model(music).key)


def fifths_of(key: str) -> int:
    """Return the sharps of the signature of a key such as "Eb minor", flats below 0."""
    from symbolic.predict.tonality import key_mode

    tonic = key_mode(key)
    assert tonic is not None
    major = (tonic % 12 + (3 if tonic >= 12 else 0)) % 12
    return (major * 7 + 5) % 12 - 5


def _to_performance(settings: MapSettings, learnt: LearntMap | None) -> list[str]:
    from symbolic.mapping.expression import play, rule_weights
    from symbolic.mapping.written import read_score
    from symbolic.music.midi.writer import midi_bytes

    score = read_score(settings.file)
    played = play(score, learnt.weights if learnt else rule_weights(), settings.tempo)
    _write(settings.target, midi_bytes(played, settings.target))
    velocity = played.notes["velocity"]
    marked = "with" if score.marks["stated"].any() else "without"
    seconds = int(played.seconds(played.notes["onset"] + played.notes["duration"]).max(initial=0))
    return [
        f"{len(played):,} notes, {seconds // 60}:{seconds % 60:02}, velocities {velocity.min(initial=127)} to "
        f"{velocity.max(initial=0)}, {marked} dynamics in the score"
    ]


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}).") from error


_ABOUT = (
    "Write a score for a performance, or play a score.\n"
    "A score needs beats. They are found in the notes, but tapped ones are better in free tempo."
)
_EXAMPLES = """\
examples:
  finetune map performance.mid --to score --out song.musicxml
  finetune map performance.mid --to score --beats beats.txt --metre 6/8
  finetune map recorded-to-click.mid --to score --beats midi
  finetune map score.musicxml --to performance --out song.mid"""
