"""Pop1K7: piano covers of pop songs, transcribed from audio and synchronised to beats."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece


class Pop1k7Corpus(ArchivedCorpus):
    """1,747 covers without labels, for pretraining."""

    name = "pop1k7"
    title = "AILabs Pop1K7"
    licence = (
        "unclear (no dataset licence stated; transcribed from YouTube audio; the code's repository is GPL-3). "
        "For local use only, never redistributed here"
    )
    citation = (
        "Hsiao, W.-Y., Liu, J.-Y., Yeh, Y.-C. and Yang, Y.-H. (2021). Compound Word Transformer: Learning to "
        "compose full-song music over dynamic directed hypergraphs. AAAI 2021, arXiv 2101.02402"
    )
    homepage = "https://github.com/YatingMusic/compound-word-transformer"
    size = 1747
    split = "95/5/0 by hash"
    fractions: ClassVar[Mapping[str, float]] = MappingProxyType({"train": 0.95, "valid": 0.05})
    marker = "src_001/0.mid"
    archives = MappingProxyType(
        {"pop1k7.tar.xz": "b5efc5f48d6ac71cd83b2bc8e802cabca85b741455ce18e7e9f5ca581bf3ebcd"}
    )

    def pieces(self) -> list[Piece]:
        """List the covers in order of their folders."""
        return [
            Piece(path.stem, f"{path.parent.name}/{path.name}")
            for path in sorted(self.folder.glob("src_*/*.mid"), key=str)  # paths compare slowly
        ]
