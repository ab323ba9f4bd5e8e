"""Relations for compiled backbones, which leave them as they are.

Only code that is being compiled imports this: to mark a function takes PyTorch's compiler, whose import takes seconds.
"""

import torch

from symbolic import relations

relation_ids = torch.compiler.disable(relations.relation_ids)  # type: ignore[no-untyped-call]
