"""The command `finetune predict`."""
