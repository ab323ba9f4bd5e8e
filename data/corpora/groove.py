"""Groove: drummers play styles to a metronome. Every stroke has its velocity."""

from __future__ import annotations

import re
from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece, Reading
from data.corpora.velocity import VELOCITIES, velocity_labels
from symbolic.music.notes import Music

_FILE = re.compile(r"(\d+)_(?P<style>[a-z]+)(-.*)?_\d+_(?P<kind>beat|fill)_[\d-]+")


class GrooveCorpus(ArchivedCorpus):
    """1,150 takes with the labels "style" and "kind" (beat or fill) and the note label "velocity".

    It holds drums alone. So prepare it with `Filters(drum_only=True)`. The split is the official one without copies of
    a take on another side.
    """

    name = "groove"
    title = "Groove MIDI Dataset"
    licence = "CC BY 4.0"
    citation = (
        "Gillick, J., Roberts, A., Engel, J., Eck, D. and Bamman, D. (2019). Learning to groove with inverse "
        "sequence transformations. ICML 2019, arXiv 1905.06118"
    )
    homepage = "https://magenta.tensorflow.org/datasets/groove"
    spdx = "CC-BY-4.0"
    size = 1150
    labels = MappingProxyType({"style": 18, "kind": 2})
    split = "official"
    drums_alone = True
    note_classes = MappingProxyType({"velocity": VELOCITIES})
    marker = "drummer1/eval_session/1_funk-groove1_138_beat_4-4.mid"
    archives = MappingProxyType(
        {"groove.tar.xz": "e24a99a6d47872ed804ae4feca61b70856af69c3cee8ea176b3bf33d8b16e7be"}
    )

    def files(self) -> dict[str, str]:
        """List the files by key. A key is drummer, session and number of the take, as in the official list."""
        paths = [path.relative_to(self.folder) for path in self.folder.glob("drummer*/*/*.mid")]
        return {
            f"{path.parent.as_posix()}/{match[1]}": path.as_posix()
            for path in sorted(paths)
            if (match := _FILE.fullmatch(path.stem))
        }

    def pieces(self) -> list[Piece]:
        """List the takes."""
        files = self.files()
        return self.tabled(files, {key: _labels(file) for key, file in files.items()})

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Label the velocities. The notes stay as played."""
        return Reading(music, {"velocity": velocity_labels(music)})


def _labels(file: str) -> dict[str, str]:
    match = _FILE.match(file.rpartition("/")[2])
    return match.groupdict() if match else {}
