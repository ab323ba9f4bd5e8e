"""The command `finetune lines`: fit the bundled melody model anew."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data.toolkit.command import parse
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.settings import POSITIVE, SEEDS, Settings, setting
from symbolic.checkpoint.bundled import require_model

_DESCRIPTION = """\
Fit a melody model for any music: a network, trees, votes of tracks, lines, a gate for textures.
It is fitted to POP909, OpenScore's Lieder and quartets, and Polish scores, all under --root.
A run that is cut off goes on from the last state of its network, which is kept until all is saved."""
_EPILOG = """\
example:
  finetune lines my_melody/ --root DATA && finetune predict my_melody/ song.mid"""
TASK = {
    "name": "melody_lines",
    "title": "Melody of any music, as a line",
    "level": "note",
    "label": "melody",
    "classes": ["melody", "accompaniment"],
    "hide": [],
    "one_piano": True,
}
"""As `Task.describe` gives it."""
HELD = 6
"""One in so many training pieces is kept from the network. The trees are fitted to it."""


@dataclass(kw_only=True)
class LinesSettings(Settings):
    """The folder of the model and the music that it is fitted to.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    out: str = setting(..., "folder to write; its name is that of the model", positional=True)
    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)")
    checkpoint: str = setting(
        "tiny", "initial weights of the network: a pretrained checkpoint or a melody model", flag="from"
    )
    steps: int = setting(15_000, "steps of the network, of 1,024 notes each", within=POSITIVE)
    lr: float = setting(1e-3, "peak learning rate of the network", within=POSITIVE)
    seed: int = setting(0, "of the choice of pieces, their augmentation and the network", within=SEEDS)
    most: int | None = setting(None, "most test pieces of a kind of music (default: all)", within=POSITIVE)


def lines(argv: Sequence[str]) -> list[str]:
    """Fit, test and save a model with its card. Return its folder as a line.

    Raises:
        CounterpointError: If a corpus is absent, or nothing can be written there.
    """
    settings = parse("finetune lines", _DESCRIPTION, LinesSettings, argv, _EPILOG)
    require_model(settings.checkpoint)
    from finetune.lines.data import SHARES, examples
    from finetune.lines.fit import fit_lines
    from finetune.lines.network import initial_network, train_network
    from finetune.lines.pieces import Rated, of_one_line
    from finetune.lines.saving import save_melody
    from finetune.training.weights import open_weights

    weights = open_weights(settings.checkpoint)
    train, valid = (examples(side, settings.root, settings.seed) for side in ("train", "valid"))
    held = [one for one in train if one.mark % HELD == 0]
    learnt = [one for one in train if one.mark % HELD]
    state = Path(f"{settings.out}.ckpt")  # beside the folder, which may hold a finished model alone
    _say("network")
    model = initial_network(weights, settings.seed)
    model = train_network(model, learnt, valid, settings.steps, state, settings.lr, settings.seed)
    # Of a duet in a song all voices are labelled. The network learns from them, the lines cannot.
    unseen, chosen_by = (
        [Rated(one, model.logits(one.tokens)) for one in side if of_one_line(one)] for side in (held, valid)
    )
    model.lines = fit_lines(unseen, chosen_by, settings.seed, _say)
    about = {
        **portable_provenance(provenance()),
        "shares": [asdict(share) for share in SHARES],
        "pieces": {"network": len(learnt), "trees": len(held), "valid": len(valid)},
        "steps": settings.steps,
        "settings": model.lines.settings._asdict(),
    }
    _say("tests")
    save_melody(settings.out, model, weights, train, about, settings.root, settings.most)
    state.unlink(missing_ok=True)
    return [settings.out]


def _say(step: str) -> None:
    sys.stderr.write(f"{step}\n")
