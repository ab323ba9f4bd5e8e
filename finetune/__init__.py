"""Make a task model of a backbone: tasks, baselines, training, honest scores, predictions, reports."""
