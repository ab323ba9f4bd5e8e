"""MidiTok and this tokenizer, both ways: settings, and MidiTok's schemes through the same face.

    tokenizer = Tokenizer.from_miditok(config)          # ours, divided as a TokenizerConfig says
    config = tokenizer.to_miditok()                     # for miditok.Octuple(config)
    remi = MidiTokTokenizer("REMI")                     # MidiTok's own tokens of our Music

Where ours differs from MidiTok's Octuple, and why, is told in docs/tokens.md. MidiTok (extra `[miditok]`) is
imported only inside functions: it takes seconds, and torch.
"""

from __future__ import annotations

import copy
import hashlib
import json
from importlib.metadata import version
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.files import from_score, to_score
from symbolic.music.notes import Music
from symbolic.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from miditok import TokenizerConfig

SCHEMES = ("REMI", "TSD", "MIDILike", "Structured", "CPWord", "Octuple")
_EXTRAS = {"chords", "rests", "key_signatures", "sustain_pedals", "pitch_bends", "control_changes"}
"""What a token has no field for; each is a setting `use_...` of MidiTok."""
_DEFAULTS: dict[str, Any] = {"use_programs": True, "use_tempos": True, "use_time_signatures": True}
"""One stream for all tracks, as ours; MidiTok's own defaults make one for each track and say no tempo."""


def vocabulary_from_miditok(config: TokenizerConfig, strict: bool = True) -> Vocabulary:
    """The vocabulary that divides time, velocity and tempo as a MidiTok config does.

    Args:
        config: A `miditok.TokenizerConfig`.
        strict: Refuse what has no equal here; False takes the nearest instead.

    Raises:
        ConfigError: If something has no equal (all such settings are named), or nothing near it.
    """
    resolution = max(config.beat_res.values())
    beats = max(end for _, end in config.beat_res)
    low, high = config.tempo_range
    time_signatures = [
        (n, d) for d, numerators in config.time_signature_range.items() for n in numerators
    ]  # MidiTok has listed ranges already
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
    """A config that makes `miditok.Octuple` divide music as this vocabulary does.

    Durations agree value for value up to where ours go by more than a quarter note; MidiTok has no steps
    longer than that, and goes on by quarter notes.

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
        tokens: (N, C) int32 ids; one column, or one for each kind of token where the scheme pools several.
        stream: (N,) int32, which of MidiTok's sequences a token belongs to; all 0 where the scheme makes one.
    """

    tokens: NDArray[np.int32]
    stream: NDArray[np.int32]


class MidiTokTokenizer:
    """One of MidiTok's schemes under the face of `Tokenizer`: encode, decode, sizes, save, load, fingerprint.

    Limits, which are MidiTok's: no token knows its source note; notes outside the config's ranges are dropped;
    Octuple keeps no bar beyond its `max_bar_embedding`, and times snap to the config's grid before anything
    else. Trained vocabularies (BPE and the like) are not supported.

    Args:
        scheme: One of `SCHEMES`.
        config: A `miditok.TokenizerConfig`; None takes MidiTok's defaults with programs, tempos and time signatures.

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
        """(C,) how many ids each column has."""
        pooled = self._inner.is_multi_voc
        return tuple(map(len, self._inner.vocab)) if pooled else (len(self._inner.vocab),)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change whenever an id would mean something else."""
        document = {"scheme": self.scheme, "config": self._settings(), "vocabulary": self._inner.vocab}
        text = json.dumps(document, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def encode(self, music: Music) -> Streams:
        """MidiTok's ids of a piece.

        Raises:
            MusicFileError: If the music is longer or finer than MIDI can say.
        """
        found = self._inner.encode(to_score(music, "music"))
        parts = [np.array(part.ids, np.int32) for part in (found if isinstance(found, list) else [found])]
        columns = len(self.sizes)
        tokens = [part.reshape(-1, columns) for part in parts]
        return Streams(
            np.concatenate([np.empty((0, columns), np.int32), *tokens]),
            np.repeat(np.arange(len(tokens), dtype=np.int32), [len(part) for part in tokens]),
        )

    def decode(self, streams: Streams) -> Music:
        """Music of such ids, as MidiTok understands them."""
        single = len(self.sizes) == 1
        parts = [streams.tokens[streams.stream == i] for i in range(int(streams.stream.max(initial=-1)) + 1)]
        ids = [(part[:, 0] if single else part).tolist() for part in parts]
        if not ids:
            ids = [[]]
        return from_score(self._inner.decode(ids[0] if self._inner.one_token_stream else ids), "MidiTok")

    def save(self, path: str | Path) -> None:
        """Write scheme, settings and fingerprint as JSON."""
        document = {"scheme": self.scheme, "config": self._settings(), "fingerprint": self.fingerprint}
        Path(path).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> MidiTokTokenizer:
        """Read what `save` wrote.

        Raises:
            TokenizerMismatch: If the file is not such a tokenizer's, or this MidiTok makes other ids of it.
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
    """A config's settings with those keys numbers again that JSON made text."""
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
