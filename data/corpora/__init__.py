"""Corpus readers by name.

corpus = open_corpus("pop909", root="~/corpora")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.corpora.art_melody import ArtMelodyCorpus
from data.corpora.asap import AsapPerformancesCorpus, AsapScoresCorpus
from data.corpora.base import Corpus, Piece, Reading
from data.corpora.emopia import EmopiaCorpus
from data.corpora.folder import FolderCorpus
from data.corpora.game_multitrack import GameMultitrackCorpus
from data.corpora.giantmidi import GiantMidiCorpus
from data.corpora.groove import GrooveCorpus
from data.corpora.humdrum_sapp import HumdrumSappCorpus
from data.corpora.music21_corpus import Music21Corpus
from data.corpora.nottingham import NottinghamCorpus
from data.corpora.openewld import OpenEwldCorpus
from data.corpora.openscore import LiederCorpus, QuartetsCorpus
from data.corpora.orchestra import OrchestraCorpus
from data.corpora.pianist8 import Pianist8Corpus
from data.corpora.polish_scores import PolishScoresCorpus
from data.corpora.pop1k7 import Pop1k7Corpus
from data.corpora.pop909 import Pop909Corpus
from data.corpora.songs import SongsCorpus
from data.corpora.symbtr import SymbtrCorpus
from symbolic.errors import ConfigError, CorpusError, did_you_mean

CORPORA: dict[str, type[Corpus]] = {
    reader.name: reader
    for reader in (
        Music21Corpus,
        FolderCorpus,
        Pop909Corpus,
        Pianist8Corpus,
        EmopiaCorpus,
        AsapScoresCorpus,
        AsapPerformancesCorpus,
        Pop1k7Corpus,
        GiantMidiCorpus,
        LiederCorpus,
        QuartetsCorpus,
        OrchestraCorpus,
        PolishScoresCorpus,
        HumdrumSappCorpus,
        OpenEwldCorpus,
        NottinghamCorpus,
        SymbtrCorpus,
        GrooveCorpus,
        GameMultitrackCorpus,
        ArtMelodyCorpus,
        SongsCorpus,
    )
}
"""All readers by name. The first is the default, because it needs no download."""

__all__ = ["CORPORA", "Corpus", "Piece", "Reading", "open_corpus"]


def open_corpus(name: str, root: str | Path | None = None, **options: Any) -> Corpus:
    """Open a corpus by name.

    Args:
        name: A key of `CORPORA`.
        root: The folder that holds the corpus. For "folder" the folder itself.
        options: Further arguments of that reader.

    Raises:
        CorpusError: If there is no such reader, or the corpus is not under root.
        ConfigError: If the reader takes no such option.
    """
    if name not in CORPORA:
        raise CorpusError(
            f"No corpus is called '{name}'; {did_you_mean(name, CORPORA)}choose from {', '.join(CORPORA)}."
        )
    try:
        return CORPORA[name](root, **options)
    except TypeError as error:
        raise ConfigError(f"Corpus '{name}' takes no such option ({error}).") from error
