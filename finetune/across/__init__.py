"""The command `finetune across`."""
