"""The shape of a backbone and named presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from symbolic.errors import ConfigError
from symbolic.relations import relation_problems

KINDS = ("transformer", "conformer")


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """The shape of a backbone. Together with the field sizes, it is all that `build_backbone` needs.

    Args:
        kind: Architecture, one of `KINDS`.
        dim: Width of the hidden states.
        layers: Number of blocks.
        heads: Attention heads in each block. `dim / heads` must be even for rotary positions.
        ffn: Inner width of the feed-forward sub-layers.
        window: Tokens in a training window. Rotary positions accept longer windows for which the model is not
            trained.
        dropout: Dropout probability on the embedding and on every residual branch.
        relations: Relations of notes to embed beside the fields by name (`symbolic.relations.RELATIONS`).
        absolute_pitch: Embed which pitch a note has. Without it, a model with no relation `pitch_class` or `octave`
            gives a transposed piece the same states.

    Raises:
        ConfigError: If fields are wrong. All are named.
    """

    kind: str = "transformer"
    dim: int
    layers: int
    heads: int
    ffn: int
    window: int
    dropout: float = 0.1
    relations: tuple[str, ...] = ()
    absolute_pitch: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "relations", tuple(self.relations))  # JSON has lists
        problems = relation_problems(self.relations)
        if self.kind not in KINDS:
            problems.append(f"backbone kind {self.kind!r} is unknown; choose one of {', '.join(KINDS)}.")
        sizes = ("dim", "layers", "heads", "ffn", "window")
        wrong = [name for name in sizes if getattr(self, name) < 1]
        problems += [f"backbone {name} is {getattr(self, name)}; it must be at least 1." for name in wrong]
        if not {"dim", "heads"} & set(wrong):
            if self.dim % self.heads:
                problems.append(
                    f"backbone dim {self.dim} is not divisible by heads {self.heads}; change one of them."
                )
            elif (self.dim // self.heads) % 2:
                problems.append(
                    f"backbone dim / heads is {self.dim // self.heads}; rotary positions need an even number."
                )
        if not 0 <= self.dropout < 1:
            problems.append(f"backbone dropout is {self.dropout}; it must lie in [0, 1).")
        if problems:
            raise ConfigError(problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "relations": list(self.relations)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BackboneConfig:
        """Build from the result of `to_dict`.

        Raises:
            ConfigError: If fields are unknown, missing or wrong. All are named.
        """
        known = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        problems = [f"backbone has no field {name!r}; remove it." for name in sorted(values.keys() - known)]
        problems += [f"backbone field {name!r} is missing." for name in sorted(required - values.keys())]
        if problems:
            raise ConfigError(problems)
        return cls(**values)


PRESETS: Mapping[str, BackboneConfig] = {
    "tiny": BackboneConfig(dim=128, layers=4, heads=4, ffn=512, window=256),
    "mini": BackboneConfig(dim=256, layers=6, heads=4, ffn=1024, window=256),
    "small": BackboneConfig(dim=384, layers=6, heads=6, ffn=1536, window=512),
    "base": BackboneConfig(dim=768, layers=12, heads=12, ffn=3072, window=1024),
}
"""`tiny` is for tests and the demo, `mini` for an evening on a laptop, `small` for a GPU.

`base` has the scale of the paper (arXiv 2407.08306).
"""


def preset(name: str) -> BackboneConfig:
    """Return the preset of this name. Vary it with `dataclasses.replace`.

    Raises:
        ConfigError: If there is no such preset. The known ones are listed.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no backbone preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]
