"""Pages of the documentation, read for the tests that hold them to the program."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what it is written in, and the line of the page where it begins."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of ``page``, in their order."""
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [Block(m[1], m[2], page.count("\n", 0, m.start()) + 1) for m in found]


def file_name(block: Block) -> str:
    """The name in the first line of a file's block."""
    name = re.match(r"# (\S+\.toml)", block.text)
    assert name is not None, f"line {block.line}: a file without its name"
    return name[1]


def tables(page: str, head: str) -> list[list[list[str]]]:
    """Rows of cells of each table whose head begins with ``head``, code without its quotes."""
    found: list[list[list[str]]] = []
    lines = iter(page.splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)  # the line of dashes
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append([cell.strip() for cell in row.strip("|").split("|")])
            found.append(rows)
    return found


def broken_links(path: Path) -> list[str]:
    """Targets of the page at ``path`` that lead nowhere: no file, or no heading of a page."""
    page = path.read_text(encoding="utf-8")
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if "://" in target:
            continue
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    return broken


def anchors(path: Path) -> set[str]:
    """What links to headings of the page at ``path`` end with."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
