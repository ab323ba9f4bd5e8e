"""The command `finetune lines`: fit the bundled melody model anew."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data.toolkit.command import parse
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.settings import POSITIVE, SEEDS, Settings, setting

_DESCRIPTION = """\
Fit a melody model for any music: trees on hand-made features, votes of tracks, lines.
It is fitted to POP909, OpenScore Lieder and Polish scores, which must be under --root."""
_EPILOG = """\
example:
  finetune lines my_melody/ --root DATA && finetune predict my_melody/ song.mid"""
TASK = {
    "name": "melody",
    "title": "Melody of any music, as a line",
    "level": "note",
    "label": "melody",
    "classes": ["melody", "accompaniment"],
    "hide": [],
    "one_piano": True,
}
"""As `Task.describe` gives it."""


@dataclass(kw_only=True)
class LinesSettings(Settings):
    """The folder of the model and the music that it is fitted to.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    out: str = setting(..., "folder to write; its name is that of the model", positional=True)
    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)")
    seed: int = setting(0, "of the choice of pieces and their augmentation", within=SEEDS)
    most: int | None = setting(None, "most test pieces of a kind of music (default: all)", within=POSITIVE)


def lines(argv: Sequence[str]) -> str:
    """Fit, test and save a model with its card; return its folder.

    Raises:
        CounterpointError: If a corpus is absent, or nothing can be written there.
    """
    settings = parse("finetune lines", _DESCRIPTION, LinesSettings, argv, _EPILOG)
    from finetune.across.scoring import across
    from finetune.lines.card import card, chain_of
    from finetune.lines.data import SHARES, examples
    from finetune.lines.fit import fit_lines
    from symbolic.checkpoint.attribution import legal_texts
    from symbolic.checkpoint.bundled import CARD
    from symbolic.predict.loading import load
    from symbolic.predict.network import save_model
    from symbolic.predict.predictor import NotePredictor
    from symbolic.tokens.tokenizer import Tokenizer

    train, valid = (examples(side, settings.root, settings.seed) for side in ("train", "valid"))
    model = fit_lines(train, valid, settings.seed, _say)
    name = Path(settings.out).name
    about = {
        **portable_provenance(provenance()),
        "shares": [asdict(share) for share in SHARES],
        "pieces": {"train": len(train), "valid": len(valid)},
        "settings": model.decoder.settings._asdict(),
    }
    marks = sorted({one.mark for one in [*train, *valid]})
    chain = chain_of(name, [*train, *valid])
    texts = legal_texts(name, chain)

    def save() -> None:
        save_model(settings.out, model, Tokenizer(), TASK, about, marks, texts=texts, chain=chain)

    save()
    _say("tests")
    tested = load(settings.out)
    assert isinstance(tested, NotePredictor)
    rows = across(tested, (), settings.root, settings.most)
    texts[CARD] = card(name, chain, about, rows)
    save()
    return settings.out


def _say(step: str) -> None:
    sys.stderr.write(f"{step}\n")
