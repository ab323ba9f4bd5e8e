"""Make a task model of a backbone: tasks, floors, training, honest scores, predictions, reports."""
