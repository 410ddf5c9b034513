"""Answers to a flow's questions: whether they can be used, and what an operator may type for them."""

from __future__ import annotations

import re

from console.runner.plan import Ask
from console.text import clean, join_words

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)

YES_NO = {"yes": "yes", "no": "no"}


def choices(question: Ask) -> dict[str, str]:
    """What can be chosen: value → words; {} when anything may be typed."""
    return question.choices or (YES_NO if question.kind == "yes-no" else {})


def problem(question: Ask, text: str) -> str:
    """Why an answer cannot be used, for the operator; "" when it can."""
    known = choices(question)
    shown = "it" if question.secret or question.kind == "secret" else f"“{clean(text, 60)}”"
    if question.kind == "several":
        return _several(question, text)
    if known and text not in known:
        return f"{shown} is none of {join_words([*known])}"
    if why := _kind(question, text, shown):
        return why
    return question.check(text) if question.check is not None else ""


def several(text: str) -> list[str]:
    """The values of an answer that may have several, separated by commas or blanks."""
    return [each for each in re.split(r"[,\s]+", text) if each]


def _several(question: Ask, text: str) -> str:
    chosen = several(text)
    wrong = [each for each in chosen if question.choices and each not in question.choices]
    if wrong:
        return f"“{clean(wrong[0], 60)}” is none of {join_words([*question.choices])}"
    if not chosen:
        return f"choose at least one of {join_words([*question.choices])}"
    return question.check(text) if question.check is not None else ""


def _kind(question: Ask, text: str, shown: str) -> str:
    match question.kind:
        case "number":
            if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
                return f"{shown} is not a whole number"
            low, high = question.range
            if not low <= int(text) <= (high or int(text)):
                return f"{shown} is not {f'between {low} and {high}' if high else f'{low} or more'}"
        case "path":
            if not text.startswith("/") or not text.isprintable() or ".." in text.split("/"):
                return f"{shown} is not an absolute path"
        case "host":
            labels = text.rstrip(".").split(".")
            if len(text) > 253 or not all(LABEL.fullmatch(label) for label in labels):
                return f"{shown} is not a host name"
        case "name":
            if not NAME.fullmatch(text):
                return f"{shown} is not a name: letters, digits, dots, dashes and underscores, at most 63"
        case "secret":
            if not text:
                return "it is empty"
            if "\n" in text or "\0" in text:
                return "it has more than one line"
    return ""
