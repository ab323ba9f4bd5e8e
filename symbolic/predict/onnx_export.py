"""Write the network of a task model as ONNX. It needs torch and onnx."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from symbolic.checkpoint.files import NETWORK
from symbolic.checkpoint.format import Checkpoint
from symbolic.errors import ConfigError
from symbolic.predict.network import TaskModel, network_model
from symbolic.predict.onnx_network import FINGERPRINT, INPUTS, OUTPUT, PARAMETERS, WINDOW, remedy
from symbolic.predict.parts import FEATURES
from symbolic.replacing import write_whole
from symbolic.tokens.vocabulary import FIELDS, RESERVED

OPSET = 18


def write_onnx(checkpoint: Checkpoint) -> None:
    """Write the network of a task into its folder: backbone, adapter, note features and head, but no trees or lines.

    `OnnxNetwork` runs it. Relations are an input of the network, because they are computed from whole windows.

    Args:
        checkpoint: The folder. Whatever else is in it stays.

    Raises:
        ConfigError: If onnx is not installed, or the model has no network.
        CheckpointError: If parts do not fit together.
    """
    if FEATURES in checkpoint.parts:
        raise ConfigError(
            f"{checkpoint.path} has no network, so it starts fast without ONNX. Leave --onnx out."
        )
    try:
        import onnx
    except ImportError as error:
        raise ConfigError(remedy("onnx")) from error
    model = network_model(checkpoint).eval()
    graph = _Graph(model)
    width = len(FIELDS) + (0 if model.note_features is None else len(model.note_features.edges))
    batch, length = 2, 16
    example = (
        torch.full((batch, length, width), RESERVED),
        torch.zeros(batch, length, graph.relation_count, dtype=torch.int64),
        torch.ones(batch, length, dtype=torch.bool),
    )
    free = {0: "windows", 1: "notes"}
    by_note = model(example[0], example[2]).ndim == 3
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer: sizes of parts that no input changes
        torch.onnx.export(
            graph,
            example,
            Path(folder) / NETWORK,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={**dict.fromkeys(INPUTS, free), OUTPUT: free if by_note else {0: "windows"}},
            opset_version=OPSET,
            dynamo=False,  # the other exporter needs a package more, and writes the same graph
        )
        found = onnx.load(Path(folder) / NETWORK)
    about = {
        WINDOW: model.backbone.config.window,
        PARAMETERS: model.numbers,
        FINGERPRINT: checkpoint.fingerprint,
    }
    onnx.helper.set_model_props(found, {name: str(value) for name, value in about.items()})
    write_whole(checkpoint.path / NETWORK, found.SerializeToString())


class _Graph(nn.Module):
    """A model whose relations are an input."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
        self._given: list[Tensor] = []
        embedding = self.model.backbone.embedding
        relations, self.relation_count = embedding.relations, 0
        if relations is not None:
            self.relation_count = len(relations.names)
            embedding.relations = _Given(relations.weight, self._given)  # type: ignore[assignment]

    def forward(self, inputs: Tensor, relations: Tensor, attention_mask: Tensor) -> Tensor:
        self._given[:] = [relations]
        logits: Tensor = self.model(inputs, attention_mask)
        return logits


class _Given(nn.Module):
    """Embeds relations that are computed outside of the graph."""

    def __init__(self, weight: nn.Parameter, given: list[Tensor]) -> None:
        super().__init__()
        self.weight, self._given = weight, given

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return nn.functional.embedding(self._given[0], self.weight).sum(-2)
