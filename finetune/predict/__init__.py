"""The command `finetune predict` and its pages."""
