"""The commands `finetune map` and `finetune match`, and how their map is learnt."""
