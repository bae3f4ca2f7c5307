"""Lines that are too long, broken as `ruff format` breaks them.

`laid_out : text of a statement -> lines`, 100 columns wide: broken at the last bracket, first with
the content on a line of its own, then an item a line; or in parentheses, an operand a line.
"""

from __future__ import annotations

from typing import Final

__all__ = ["WIDTH", "laid_out"]

WIDTH: Final = 100


def laid_out(text: str, indent: int) -> list[str]:
    """A line, broken where it is too long."""
    line = " " * indent + text
    if len(line) <= WIDTH or "\n" in text:
        return line.split("\n")
    pair = _last_brackets(text)
    if pair is None or not _at_end(text, pair):
        return _in_parentheses(text, indent)
    start, end = pair
    head, body, tail = text[: start + 1], text[start + 1 : end].rstrip(","), text[end:]
    items = _split(body)
    if not body.strip() or (len(" " * indent + head) > WIDTH and start):
        return _in_parentheses(text, indent)
    inner = " " * (indent + 4)
    is_display = start == 0 or text[start - 1] in " (=[{,"
    one_line = len(inner + body) <= WIDTH and not (is_display and len(items) > 1)
    star = any([i.startswith("*") for i in items]) and text.startswith("def ")
    content = text[start + 1 : end]
    in_parentheses = is_display and text[start] == "(" and not _all(content, ",")
    if one_line and (in_parentheses or not is_display or _is_comprehension(body)):
        return [" " * indent + head, inner + body, " " * indent + tail]
    if in_parentheses or _is_comprehension(body):
        return [" " * indent + head, *_broken(body, indent + 4), " " * indent + tail]
    if len(items) == 1 and not is_display and text[end - 1] != ",":
        rest = laid_out(body, indent + 4) if _is_single(body) else _broken(body, indent + 4)
        return [" " * indent + head, *rest, " " * indent + tail]
    lines = [" " * indent + head]
    for i in items:
        lines += laid_out(f"{i}," if not (star and i.startswith("**")) else i, indent + 4)
    return [*lines, " " * indent + tail]


def _at_end(text: str, pair: tuple[int, int]) -> bool:
    return text[pair[1] + 1 :] in ("", ":", ",")


def _is_comprehension(body: str) -> bool:
    return _find(body, " for ") > 0


def _broken(body: str, indent: int) -> list[str]:
    """What is in brackets, and no list of items."""
    if len(" " * indent + body) <= WIDTH:
        return [" " * indent + body]
    if _is_comprehension(body):
        lines, rest = [], body
        for word in (" for ", " if "):
            while (at := _find(rest, word)) > 0:
                lines.append(" " * indent + rest[:at])
                rest = rest[at + 1 :]
        return [*lines, " " * indent + rest]
    return _operands(body, indent) or [" " * indent + body]


_OPERATORS: Final = (
    (" if ", " else "), (" or ",), (" and ",),
    (" == ", " != ", " < ", " <= ", " > ", " >= ", " is ", " in "),
    (" | ",), (" ^ ",), (" & ",), (" << ", " >> "), (" + ", " - "),
    (" * ", " / ", " // ", " % ", " @ "),
)  # fmt: skip


def _operands(text: str, indent: int) -> list[str]:
    """A chain of operations, an operand a line; empty if it is none."""
    for signs in _OPERATORS:
        cuts = sorted([at for sign in signs for at in _all(text, sign)])
        if cuts:
            ends = [*cuts[1:], len(text)]
            pieces = [text[: cuts[0]], *[text[a + 1 : b] for a, b in zip(cuts, ends, strict=True)]]
            return [line for p in pieces for line in laid_out(p, indent)]
    return []


def _in_parentheses(text: str, indent: int) -> list[str]:
    """`x = a + b` as `x = (`, an operand a line, `)`."""
    for head in ("return ", "assert ", "if ", "elif ", "while "):
        if text.startswith(head):
            body = text[len(head) :]
            break
    else:
        at = _find(text, " = ")
        at = at if at > 0 else _find(text, "= ") - 1
        if at < 0:
            return [" " * indent + text]
        head, body = text[: at + 3], text[at + 3 :]
    tail = ")"
    if body.endswith(":"):
        body, tail = body[:-1], "):"
    if _split(body)[1:]:
        return [
            " " * indent + head + "(",
            *[line for i in _split(body) for line in laid_out(f"{i},", indent + 4)],
            " " * indent + tail,
        ]
    if len(" " * (indent + 4) + body) <= WIDTH and not _is_single(body):
        return [" " * indent + head + "(", " " * (indent + 4) + body, " " * indent + tail]
    lines = _operands(body, indent + 4)
    if not lines:
        return [" " * indent + text]
    return [" " * indent + head + "(", *lines, " " * indent + tail]


def _is_single(body: str) -> bool:
    return not any([_all(body, sign) for signs in _OPERATORS for sign in signs])


def _depths(text: str) -> list[int]:
    """How many brackets (or quotes) are open before each character."""
    depths, depth, quote, skip = [], 0, "", False
    for c in text:
        if quote:
            depths.append(depth + 1)
            if skip:
                skip = False
            elif c == "\\":
                skip = True
            elif c == quote:
                quote = ""
            continue
        if c in ")]}":
            depth -= 1
        depths.append(depth)
        if c in "([{":
            depth += 1
        elif c in "\"'":
            quote = c
    return depths


def _all(text: str, word: str) -> list[int]:
    """Where a word is outside of all brackets."""
    depths = _depths(text)
    found, at = [], text.find(word)
    while at >= 0:
        if depths[at] == 0:
            found.append(at)
        at = text.find(word, at + 1)
    return found


def _find(text: str, word: str) -> int:
    return next(iter(_all(text, word)), -1)


def _split(text: str) -> list[str]:
    """The items between commas."""
    if _is_comprehension(text):
        return [text]
    cuts = _all(text, ",")
    items = [text[a + 1 : b].strip() for a, b in zip([-1, *cuts], [*cuts, len(text)], strict=True)]
    found: list[str] = []
    for i in items:
        last = found[-1] if found else ""
        starts = last.startswith("lambda") or last.partition("=")[2].startswith("lambda")
        if starts and _find(last, ":") < 0:  # a comma between the parameters
            found[-1] += f", {i}"
        elif i:
            found.append(i)
    return found


def _last_brackets(text: str) -> tuple[int, int] | None:
    """The last brackets that are in no others."""
    depths = _depths(text)
    end = max([i for i, c in enumerate(text) if c in ")]}" and depths[i] == 0], default=-1)
    if end < 0:
        return None
    start = max([i for i in range(end) if text[i] in "([{" and depths[i] == 0])
    return start, end
