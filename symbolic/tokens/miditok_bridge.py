"""Exchange settings with MidiTok and use MidiTok's own schemes.

    tokenizer = Tokenizer.from_miditok(config)          # our tokens, divided as a TokenizerConfig
    config = tokenizer.to_miditok()                     # for miditok.Octuple(config)
    streams = MidiTokTokenizer("REMI")("song.mid")      # MidiTok's tokens

docs/tokens.md lists the differences from MidiTok's Octuple. MidiTok (extra `[miditok]`) is imported inside
functions only since it takes seconds and imports torch.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.conversion import as_music, is_many
from symbolic.music.midi.reader import from_symusic
from symbolic.music.midi.writer import to_symusic
from symbolic.music.notes import Music
from symbolic.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from miditok import TokenizerConfig

    from symbolic.music.conversion import MusicLike

SCHEMES = ("REMI", "TSD", "MIDILike", "Structured", "CPWord", "Octuple")
_EXTRAS = {"chords", "rests", "key_signatures", "sustain_pedals", "pitch_bends", "control_changes"}
"""MidiTok's settings `use_...` for which our tokens have no field."""
_DEFAULTS: dict[str, Any] = {"use_programs": True, "use_tempos": True, "use_time_signatures": True}
"""One sequence for all tracks, as ours. MidiTok's defaults make one per track and leave out tempos."""


def vocabulary_from_miditok(config: TokenizerConfig, strict: bool = True) -> Vocabulary:
    """Make the vocabulary that divides time, velocity and tempo as a MidiTok config does.

    Args:
        config: A `miditok.TokenizerConfig`.
        strict: Refuse settings that have no equivalent here. If false, take the nearest.

    Raises:
        ConfigError: If settings have no equivalent (all are named), or nothing near it.
    """
    resolution = max(config.beat_res.values())
    beats = max(end for _, end in config.beat_res)
    low, high = config.tempo_range
    time_signatures = [(n, d) for d, numerators in config.time_signature_range.items() for n in numerators]
    problems = [f"use_{name} has no field here" for name in sorted(_EXTRAS) if getattr(config, f"use_{name}")]
    if not config.log_tempos:
        problems.append("linear tempos (log_tempos=False): ours are divided in the logarithm")
    if tuple(config.pitch_range) != (0, 127) and config.pitch_range != (0, 128):
        problems.append(f"pitch_range {tuple(config.pitch_range)}: ours hold all of 0..127")
    if config.num_velocities & (config.num_velocities - 1) or config.num_velocities > 128:
        problems.append(f"num_velocities {config.num_velocities}: ours divide 128")
    if any(d & (d - 1) for _, d in time_signatures):
        problems.append("a metre whose beat unit is no power of two")
    if strict and problems:
        raise ConfigError(
            [f"MidiTok's {problem}; pass strict=False for the nearest." for problem in problems]
        )
    octaves = log2(high / low)
    finest = max((2 ** ceil(log2(d)) for _, d in time_signatures), default=4)
    return Vocabulary(
        positions_per_quarter=max(resolution, finest // 4),
        max_bars=config.additional_params.get("max_bar_embedding", Vocabulary.max_bars),
        max_bar_quarters=max([4, *(ceil(4 * n / d) for n, d in time_signatures)]),
        max_denominator=max(4, finest),
        duration_octaves=max(1, ceil(log2(beats + 1))),
        velocity_bins=min(128, 2 ** round(log2(config.num_velocities))),
        min_tempo=float(low),
        max_tempo=float(high),
        tempos_per_octave=max(1, round((config.num_tempos - 1) / octaves)),
    )


def vocabulary_to_miditok(vocabulary: Vocabulary) -> TokenizerConfig:
    """Make a config with which `miditok.Octuple` divides music as this vocabulary does.

    Durations agree as long as our steps are at most a quarter note. MidiTok has no longer steps.

    Raises:
        ConfigError: If MidiTok is not installed.
    """
    steps, beat_res, begin = vocabulary.positions_per_quarter, {}, 0
    for octave in range(vocabulary.duration_octaves):
        end = 2 ** (octave + 1) - 1
        beat_res[begin, end] = max(1, steps // 2**octave)
        begin = end
    time_signatures: dict[int, list[int]] = {}
    for numerator, denominator in vocabulary.time_signatures.tolist():
        time_signatures.setdefault(denominator, []).append(numerator)
    made: TokenizerConfig = _miditok().TokenizerConfig(
        pitch_range=(0, 127),
        drums_pitch_range=(0, 127),
        use_pitchdrum_tokens=True,
        beat_res=beat_res,
        num_velocities=vocabulary.velocity_bins,
        num_tempos=len(vocabulary.tempos),
        tempo_range=(vocabulary.min_tempo, vocabulary.max_tempo),
        log_tempos=True,
        time_signature_range=time_signatures,
        remove_duplicated_notes=False,
        max_bar_embedding=vocabulary.max_bars,
        **_DEFAULTS,
    )
    return made


class Streams(NamedTuple):
    """A piece as MidiTok tokens.

    Attributes:
        ids: (N, C) int32. C is 1 or the number of token kinds in schemes that pool several (CPWord, Octuple).
        sequence: (N,) int32, the index of MidiTok's sequence that a token belongs to. All 0 if there is one.
    """

    ids: NDArray[np.int32]
    sequence: NDArray[np.int32]


class MidiTokTokenizer:
    """Use one of MidiTok's schemes as a `Tokenizer` is used.

    MidiTok sets the limits. No token knows its note. Notes outside the config's ranges are dropped. Octuple keeps
    no bar beyond its `max_bar_embedding`. Times are rounded to the config's grid. Trained vocabularies (BPE and
    others) are not supported.

    Args:
        scheme: One of `SCHEMES`.
        config: A `miditok.TokenizerConfig`. None means MidiTok's defaults with programs, tempos and time signatures.

    Raises:
        ConfigError: If the scheme is unknown, or MidiTok is not installed or refuses the config.
    """

    def __init__(self, scheme: str, config: TokenizerConfig | None = None) -> None:
        if scheme not in SCHEMES:
            raise ConfigError(f"No MidiTok scheme is called {scheme}; there are {', '.join(SCHEMES)}.")
        miditok = _miditok()
        self.scheme = scheme
        self.config = copy.deepcopy(config) or miditok.TokenizerConfig(**_DEFAULTS)
        try:
            self._inner = getattr(miditok, scheme)(copy.deepcopy(self.config))
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"MidiTok refuses this config for {scheme}: {error}") from error

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of ids of each of the C columns."""
        pooled = self._inner.is_multi_voc
        return tuple(map(len, self._inner.vocab)) if pooled else (len(self._inner.vocab),)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change whenever the meaning of an id changes."""
        document = {"scheme": self.scheme, "config": self._settings(), "vocabulary": self._inner.vocab}
        text = json.dumps(document, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"MidiTokTokenizer({self.scheme!r}, sizes={self.sizes})"

    @overload
    def __call__(self, music: MusicLike) -> Streams: ...
    @overload
    def __call__(self, music: Iterable[MusicLike]) -> list[Streams]: ...

    def __call__(self, music: Any) -> Streams | list[Streams]:
        """Tokenize a piece or a list of pieces.

        Args:
            music: As in `Tokenizer.__call__`.

        Raises:
            MusicFileError: If a file or an object holds no readable music, or is longer or finer than MIDI allows.
            TypeError: If an object is of another kind.
        """
        if is_many(music):
            return [self(one) for one in music]
        return self.encode(as_music(music))

    def encode(self, music: Music) -> Streams:
        """Return MidiTok's ids of a piece.

        Raises:
            MusicFileError: If the music is longer, or its resolution finer, than MIDI allows.
        """
        found = self._inner.encode(to_symusic(music))
        parts = [np.array(part.ids, np.int32) for part in (found if isinstance(found, list) else [found])]
        columns = len(self.sizes)
        ids = [part.reshape(-1, columns) for part in parts]
        return Streams(
            np.concatenate([np.empty((0, columns), np.int32), *ids]),
            np.repeat(np.arange(len(ids), dtype=np.int32), [len(part) for part in ids]),
        )

    def decode(self, streams: Streams) -> Music:
        """Turn ids into music as MidiTok reads them."""
        single = len(self.sizes) == 1
        count = int(streams.sequence.max(initial=-1)) + 1
        parts = [streams.ids[streams.sequence == i] for i in range(count)]
        ids = [(part[:, 0] if single else part).tolist() for part in parts]
        if not ids:
            ids = [[]]
        return from_symusic(self._inner.decode(ids[0] if self._inner.one_token_stream else ids), "MidiTok")

    def save(self, path: str | Path) -> None:
        """Write scheme, settings and fingerprint as JSON."""
        document = {"scheme": self.scheme, "config": self._settings(), "fingerprint": self.fingerprint}
        Path(path).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> MidiTokTokenizer:
        """Load a tokenizer that `save` wrote.

        Raises:
            TokenizerMismatch: If the file holds no such tokenizer, or the installed MidiTok makes other ids.
        """
        miditok = _miditok()
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            settings = _with_number_keys(document["config"])
            made = cls(document["scheme"], miditok.TokenizerConfig.from_dict(settings))
            stated = document["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise TokenizerMismatch(
                f"{path}: not a MidiTok tokenizer file ({type(error).__name__}: {error}). "
                "Point to one that MidiTokTokenizer.save wrote."
            ) from error
        if stated != made.fingerprint:
            raise TokenizerMismatch(
                f"{path}: its settings make fingerprint {made.fingerprint}, but it states {stated}; it was "
                f"edited, or written under another MidiTok than {version('miditok')}."
            )
        return made

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.config.to_dict(serialize=True)
        return settings


def _with_number_keys(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn the keys that JSON made text into numbers again."""
    ranges = {
        name: {tuple(map(int, span.split("_"))): value for span, value in settings[name].items()}
        for name in ("beat_res", "beat_res_rest")
    }
    time_signatures = {int(unit): beats for unit, beats in settings["time_signature_range"].items()}
    return {**settings, **ranges, "time_signature_range": time_signatures}


def _miditok() -> Any:
    try:
        import miditok
    except ImportError as error:
        raise ConfigError(
            "MidiTok is not installed. Install the extra: pip install 'counterpoint-smu[miditok]'."
        ) from error
    return miditok
