"""Budgets of labels: a share of the training labels, or a number of training pieces."""

from __future__ import annotations

from symbolic.errors import ConfigError


def budget_problem(budget: float) -> str:
    """Return why a number is no budget, or ""."""
    if 0 < budget <= 1 or (budget > 1 and float(budget).is_integer()):
        return ""
    return f"budget {budget:g}: write a share above 0 and up to 1, or a whole number of pieces from 2."


def budget_title(budget: float) -> str:
    """Return a budget in words."""
    return f"{100 * budget:g}% of the labels" if budget <= 1 else f"{budget:g} training pieces"


def read_budgets(text: str) -> tuple[float, ...]:
    """Read budgets with commas between, as in "1%,10%,100%" or "10,30,100".

    Raises:
        ConfigError: Names all that are none.
    """
    budgets, problems = [], []
    for part in filter(None, map(str.strip, text.split(","))):
        number, percent = (part[:-1], 100.0) if part.endswith("%") else (part, 1.0)
        try:
            budget = float(number) / percent
        except ValueError:
            problems.append(f"budget {part}: write a share such as 10%, or a number of pieces.")
            continue
        problem = (
            f"budget {part}: a share is at most 100%."
            if percent > 1 and budget > 1
            else budget_problem(budget)
        )
        problems += [problem] if problem else []
        budgets.append(budget)
    if problems:
        raise ConfigError(problems)
    return tuple(budgets)
