"""Save and load models: safetensors and JSON, bundled models by name."""
