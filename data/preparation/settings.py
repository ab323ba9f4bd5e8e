"""Settings of every command that prepares a corpus, declared once (filters: `data.preparation.filters`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from data.preparation.filters import Filters
from data.preparation.near import THRESHOLD
from data.toolkit.command import setting
from symbolic.errors import ConfigError

if TYPE_CHECKING:
    from data.corpora.base import Corpus
    from data.shards import Shards
    from symbolic.tokens.tokenizer import Tokenizer

ENGINES = ("local", "ray")
"""Those of `data.preparation.prepare`, which costs an import of symusic."""


def _filter(default: Any, help: str) -> Any:
    return setting(default, help, group="data", rare=True)


@dataclass(kw_only=True)
class PrepareSettings:
    """How files become rows, as flags in the group "data".

    A command's settings inherit from this, and join `prepare_problems()` to what they find wrong themselves.
    """

    jobs: int | None = setting(None, "processes that prepare files (default: all cores)", group="data")
    near_duplicates: float = setting(
        THRESHOLD, "resemblance of pieces that the split must not part, 0 for any", group="data"
    )
    engine: str = _filter("local", f"where files are prepared: {', '.join(ENGINES)}")
    min_notes: int = _filter(Filters.min_notes, "fewer are no piece")
    max_notes: int = _filter(Filters.max_notes, "more are a machine's work")
    min_seconds: float | None = _filter(None, "shorter pieces are left out")
    max_seconds: float | None = _filter(None, "longer pieces are left out")
    min_quarters: float | None = _filter(None, "the same, in quarter notes")
    max_quarters: float | None = _filter(None, "the same, in quarter notes")
    time_signatures: str | None = _filter(None, "only pieces in these time signatures alone, as in 3/4,6/8")
    programs: str | None = _filter(None, "only pieces whose pitched notes all have these MIDI programs: 0,1")
    need_programs: str | None = _filter(None, "only pieces that use all of these programs; drums are 128")
    need_drums: bool = _filter(False, "only pieces with drums")
    drum_only: bool = _filter(False, "keep pieces of drums alone")
    drop_drums: bool = _filter(False, "leave out the notes of the drum kit")
    read_seconds: float = _filter(Filters.read_seconds, "a file that takes longer to read is given up")

    FREE: ClassVar = frozenset({"jobs", "engine"})
    """Settings of these that leave no trace in the rows, and so are no part of a run's identity."""

    def prepare_problems(self) -> list[str]:
        """One sentence for each wrong setting."""
        problems = []
        if self.jobs is not None and self.jobs < 0:
            problems.append(f"--jobs {self.jobs}: must not be negative.")
        if not 0 <= self.near_duplicates <= 1:
            problems.append(f"--near_duplicates {self.near_duplicates}: must lie between 0 and 1.")
        if self.engine not in ENGINES:
            problems.append(f"--engine {self.engine}: choose one of {', '.join(ENGINES)}.")
        try:
            self.filters()
        except ConfigError as error:
            problems += [problem.replace("filters.", "--") for problem in error.problems]
        return problems

    def filters(self, drums_alone: bool = False) -> Filters:
        """What to keep.

        Args:
            drums_alone: The corpus is of drums alone.

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
            read_seconds=self.read_seconds,
        )

    def shards(self, name: str, root: str | None, tokenizer: Tokenizer, progress: bool = True) -> Shards:
        """A corpus prepared with these settings, or as it is where the folder holds one that was prepared before.

        Args:
            name: As `corpora` lists it.
            root: The folder that holds named corpora; of corpus "folder", the music files or the shards.
            tokenizer: Makes the rows.
            progress: Show a progress bar.

        Raises:
            ConfigError: If filters are asked for that prepared shards were not made with.
            CounterpointError: As `data.preparation.prepare.prepare` does.
        """
        from data.corpora import open_corpus
        from data.pack import SUFFIX, unpack
        from data.shards import MANIFEST, TOKENIZER, Shards

        folder = Path(root) if name == "folder" and root else None
        if folder is not None and folder.suffix == SUFFIX and folder.is_file():
            return unpack(folder, tokenizer.fingerprint)
        if folder is None or not all((folder / part).is_file() for part in (MANIFEST, TOKENIZER)):
            return self.prepare(open_corpus(name, root), tokenizer, progress=progress)
        if asked := [f"--{f.name}" for f in _SHAPING if getattr(self, f.name) != f.default]:
            raise ConfigError(
                f"{folder} was prepared before, with filters of its own. Leave out {', '.join(asked)}, or name "
                "the music files themselves."
            )
        return Shards(folder, tokenizer.fingerprint)

    def prepare(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        out: str | Path | None = None,
        hide: Collection[str] = (),
        progress: bool = True,
    ) -> Shards:
        """`data.preparation.prepare.prepare` with these settings.

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


_SHAPING = [f for f in fields(PrepareSettings) if f.name not in PrepareSettings.FREE]


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
