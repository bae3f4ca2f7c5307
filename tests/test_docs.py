"""The documents do what they say: their code runs, prints what they show, and their links work.

The blocks marked `python` of one document run in order, in one namespace, in a process of their
own. A block marked `text` that follows such a block directly is what it prints, exactly. Errors
name the file example.py and the line within the block. After a change of what the library prints,
renew the output and look at the difference:

    python tests/test_docs.py --write
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
]
TEST_COMMAND = re.compile(r"<!-- test command -->\n+```sh\n(.*?)\n```", re.DOTALL)
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass
class Block:
    """A piece of Python in a document, and what it is said to print."""

    line: int
    code: str
    output: str


def blocks(document: str) -> list[Block]:
    """The Python blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, m.start()) + 2, m["code"], m["output"] or "")
        for m in BLOCK.finditer(text)
    ]


def run_blocks(document: str) -> list[str]:
    """What the blocks of a document print, one after the other; they run in this process."""
    module = sys.modules["example"] = ModuleType("example")
    printed = []
    for block in blocks(document):
        lines = block.code.splitlines(keepends=True)
        linecache.cache["example.py"] = (len(block.code), None, lines, "example.py")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                exec(compile(block.code, "example.py", "exec"), vars(module))
            except BaseException:
                print(f"{document}, the block at line {block.line}:", file=sys.stderr)
                raise
        printed.append("\n".join([line.rstrip() for line in out.getvalue().splitlines()]))
    return printed


def outputs_of(document: str, folder: Path) -> list[str]:
    """`run_blocks` in a fresh process, in `folder`, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).resolve()), document],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"the code of {document} failed:\n{done.stderr}"
    found: list[str] = json.loads(done.stdout)
    return found


def anchors(text: str) -> set[str]:
    """The names under which a document's headings can be linked to."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ +(.+)$", outside, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def renew(document: str) -> None:
    """Write what the blocks print now into the `text` blocks that follow them."""
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    printed = iter(run_blocks(document))

    def replace(m: re.Match[str]) -> str:
        output = next(printed)
        if m["output"] is None:
            if output:
                print(f"{document}: a block prints, but no text block follows it:\n{output}")
            return m[0]
        start, stop = m.start("output") - m.start(), m.end("output") - m.start()
        return m[0][:start] + output + "\n" * bool(output) + m[0][stop:]

    path.write_text(BLOCK.sub(replace, text), encoding="utf-8")


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if blocks(d)])
def test_the_code_runs_and_prints_what_the_document_shows(document: str, tmp_path: Path) -> None:
    printed = outputs_of(document, tmp_path)
    for block, output in zip(blocks(document), printed, strict=True):
        assert output == block.output.rstrip("\n"), f"{document}, block at line {block.line}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings_that_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.exists(), f"{document} links to {link}, which does not exist"
        if anchor:
            known = anchors(target.read_text(encoding="utf-8"))
            assert anchor in known, f"{document} links to {link}; headings: {sorted(known)}"


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8"))
        waiting += [(path.parent / v).resolve() for v in links if "://" not in v]
    assert {ROOT / d for d in DOCUMENTS} <= reached


def test_the_map_names_every_file() -> None:
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    for folder in ("core", "transforms", "frontend"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.parent.name if path.stem == "__init__" else path.stem
            assert name in text, f"docs/files.md does not mention {path.relative_to(ROOT)}"


def test_the_page_of_coverage_is_what_the_registries_say() -> None:
    scipy = pytest.importorskip("scipy")
    made_for = (np.__version__.split(".")[:2], scipy.__version__.split(".")[:2])
    if made_for != (["2", "4"], ["1", "17"]):
        pytest.skip("the page is made for NumPy 2.4 and SciPy 1.17")
    script = [sys.executable, str(ROOT / "docs" / "coverage.py"), "--check"]
    found = subprocess.run(script, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert "can differentiate, none is missing here." in " ".join(page.split())


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = TEST_COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"\n{command}\n" in script


def test_documents_are_at_most_100_columns_wide() -> None:
    for document in DOCUMENTS:
        lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
        inside = False
        for n, line in enumerate(lines, 1):
            inside ^= line.startswith("```")
            free = inside or line.startswith(("|", "```")) or "](" in line
            assert free or len(line) <= 100, f"{document}:{n} has {len(line)} columns"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        for name in DOCUMENTS:
            renew(name)
    else:
        json.dump(run_blocks(sys.argv[1]), sys.stdout)
