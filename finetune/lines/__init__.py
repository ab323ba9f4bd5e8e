"""The command `finetune lines`: fit the melody model of `symbolic.predict.lines` to many kinds of music."""
