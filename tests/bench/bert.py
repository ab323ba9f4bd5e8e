"""A training step of BERT from `transformers`, of equal size: what people would take if there were no Counterpoint."""

from __future__ import annotations

import torch
from torch import nn
from training import SIZES
from transformers import BertConfig, BertModel

from data.batches import Batch
from symbolic.backbone import BackboneConfig
from symbolic.heads import FieldHeads
from symbolic.tokens.vocabulary import MASK

_RATE = 0.15


class Bert(nn.Module):
    """BERT over the sum of the embeddings of eight fields, with a head a field for the masked tokens.

    Args:
        config: Shape of our backbone.
        bf16: Whether in mixed bfloat16.
    """

    def __init__(self, config: BackboneConfig, bf16: bool = False) -> None:
        super().__init__()
        self.bf16 = bf16
        self.embeddings = nn.ModuleList(nn.Embedding(size, config.dim) for size in SIZES)
        shape = BertConfig(
            vocab_size=1,
            hidden_size=config.dim,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.ffn,
            max_position_embeddings=config.window,
        )
        self.body = BertModel(shape, add_pooling_layer=False)
        self.heads = FieldHeads(config.dim, SIZES)
        self.optimizer = torch.optim.AdamW(self.parameters(), lr=1e-5, fused=True)
        self.train()

    def step(self, batch: Batch) -> None:
        """Mask tokens at random, recover them and move the weights."""
        masked = torch.rand(batch.attention_mask.shape) < _RATE
        seen = batch.tokens.masked_fill(masked[..., None], MASK)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            states = sum(table(seen[..., i]) for i, table in enumerate(self.embeddings))
            states = self.body(inputs_embeds=states).last_hidden_state[masked]
            true = batch.tokens[masked]
            loss = sum(
                nn.functional.cross_entropy(part, true[:, i]) for i, part in enumerate(self.heads(states))
            )
        torch.as_tensor(loss).backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
