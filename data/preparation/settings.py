"""Settings of every command that prepares a corpus, declared once; `data.preparation.filters` defines the filters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.preparation.filters import Filters
from data.preparation.near import THRESHOLD
from data.toolkit.settings import NATURAL, Group, setting
from symbolic.errors import ConfigError
from symbolic.music.midi.repair import PEDAL

if TYPE_CHECKING:
    from data.corpora.base import Corpus
    from data.shards import Shards
    from symbolic.tokens.tokenizer import Tokenizer

ENGINES = ("local", "ray")
"""The engines of `data.preparation.prepare`, whose import would cost that of symusic."""


def _filter(default: Any, help: str, **about: Any) -> Any:
    return setting(default, help, rare=True, **about)


@dataclass(kw_only=True)
class PrepareSettings(Group):
    """Settings of preparation: the group `data` of every command that reads a corpus."""

    jobs: int | None = setting(
        None, "processes that prepare files (default: all cores)", within=NATURAL, free=True
    )
    near_duplicates: float = _filter(
        THRESHOLD,
        "pieces at least this similar stay on one side of the split; 0 turns it off",
        within="[0, 1]",
    )
    engine: str = _filter(
        "local", f"where files are prepared: {', '.join(ENGINES)}", choices=ENGINES, free=True
    )
    min_notes: int = _filter(Filters.min_notes, "leave out pieces with fewer notes")
    max_notes: int = _filter(Filters.max_notes, "leave out pieces with more notes")
    min_seconds: float | None = _filter(None, "leave out shorter pieces")
    max_seconds: float | None = _filter(None, "leave out longer pieces")
    min_quarters: float | None = _filter(None, "leave out pieces with fewer quarter notes")
    max_quarters: float | None = _filter(None, "leave out pieces with more quarter notes")
    time_signatures: str | None = _filter(None, "keep pieces with these time signatures only, as in 3/4,6/8")
    programs: str | None = _filter(
        None, "keep pieces with these MIDI programs only, as in 0,1; drums do not count"
    )
    need_programs: str | None = _filter(None, "keep pieces that use all of these programs; drums are 128")
    need_drums: bool = _filter(False, "keep pieces with drums only")
    drum_only: bool = _filter(False, "keep pieces of drums alone")
    drop_drums: bool = _filter(False, "remove the notes of drums")
    pedal: str = _filter(
        Filters.pedal,
        "notes under the sustain pedal (MIDI): keep written lengths, or extend to its release",
        choices=PEDAL,
    )
    read_seconds: float = _filter(Filters.read_seconds, "give up a file that takes longer to read")

    def problems(self) -> list[str]:
        """Return one sentence for each filter that is wrong."""
        try:
            self.filters()
        except ConfigError as error:
            return [problem.replace("filters.", "--") for problem in error.problems]
        return []

    def filters(self, drums_alone: bool = False) -> Filters:
        """Return the filters.

        Args:
            drums_alone: Whether the corpus has drums alone.

        Raises:
            ConfigError: Names every filter that is wrong.
        """
        problems, programs = [], {}
        for name in ("programs", "need_programs"):
            parts = _parts(getattr(self, name))
            programs[name] = tuple(int(part) for part in parts if part.isdecimal())
            if len(programs[name]) < len(parts):
                problems.append(
                    f"filters.{name} is '{','.join(parts)}'; write numbers with commas, as in 0,24."
                )
        try:
            made = self._made(drums_alone, **programs)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)
        return made

    def _made(self, drums_alone: bool, programs: tuple[int, ...], need_programs: tuple[int, ...]) -> Filters:
        return Filters(
            min_notes=self.min_notes,
            max_notes=self.max_notes,
            keep_drums=not self.drop_drums,
            drum_only=self.drum_only or drums_alone,
            need_drums=self.need_drums,
            programs=programs,
            need_programs=need_programs,
            min_seconds=self.min_seconds,
            max_seconds=self.max_seconds,
            min_quarters=self.min_quarters,
            max_quarters=self.max_quarters,
            time_signatures=tuple(_parts(self.time_signatures)),
            pedal=self.pedal,
            read_seconds=self.read_seconds,
        )

    def shards(self, name: str, root: str | None, tokenizer: Tokenizer, progress: bool = True) -> Shards:
        """Prepare a corpus with these settings or open one that was prepared before.

        Args:
            name: A corpus as `corpora` lists it.
            root: The folder of named corpora. For the corpus "folder": the folder of music files or shards.
            tokenizer: The tokenizer.
            progress: Show a progress bar.

        Raises:
            ConfigError: If filters are given for shards that were prepared before.
            CounterpointError: As `data.preparation.prepare.prepare` does.
        """
        from data.pack import unpack
        from data.shards import Shards

        corpus = self.find(name, root)
        if not isinstance(corpus, Path):
            return self.prepare(corpus, tokenizer, progress=progress)
        folder = corpus
        if folder.is_file():
            return unpack(folder, tokenizer.fingerprint)
        if asked := [f"--{f.name}" for f in _SHAPING if getattr(self, f.name) != f.default]:
            raise ConfigError(
                f"{folder} was prepared before, with its own filters. Leave out {', '.join(asked)}, or name "
                "the folder of music files."
            )
        return Shards(folder, tokenizer.fingerprint)

    def find(self, name: str, root: str | None) -> Corpus | Path:
        """Return a corpus or the path of shards or of a pack that were prepared before. Nothing is read yet.

        Args:
            name: A corpus as `corpora` lists it.
            root: The folder of named corpora. For the corpus "folder": the folder of music files or shards or a pack.

        Raises:
            CounterpointError: If there is no such corpus, or it is not under `root`.
        """
        from data.corpora import open_corpus
        from data.pack import SUFFIX
        from data.shards import MANIFEST, TOKENIZER

        if name == "folder" and root:
            path = Path(root)
            packed = path.suffix == SUFFIX and path.is_file()
            if packed or all((path / part).is_file() for part in (MANIFEST, TOKENIZER)):
                return path
        return open_corpus(name, root)

    def prepare(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        out: str | Path | None = None,
        hide: Collection[str] = (),
        progress: bool = True,
    ) -> Shards:
        """Prepare a corpus; `data.preparation.prepare.prepare` explains the arguments.

        Raises:
            CounterpointError: As that does.
        """
        from data.preparation.prepare import prepare

        return prepare(
            corpus,
            out,
            tokenizer,
            hide,
            self.jobs,
            self.filters(corpus.drums_alone),
            progress,
            self.near_duplicates or None,
            "ray" if self.engine == "ray" else "local",
        )


_SHAPING = [f for f in fields(PrepareSettings) if not f.metadata["free"]]
"""The settings that change the tokens."""


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
