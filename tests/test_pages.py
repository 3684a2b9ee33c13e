"""The pages for users and contributors: their Python runs as it is written, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "DESIGN.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/README.md",
    "docs/method.md",
    "docs/streams.md",
    "examples/README.md",
    "rust/eprop/README.md",
]

pytestmark = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="tests without their repository")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["docs/method.md", "docs/streams.md"])
def test_python_blocks_run_from_top_to_bottom(page: str) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", text(page), flags=re.DOTALL))
    assert "assert" in code, "an example says what it shows"
    exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    lost = []
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text(page)):
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(link)
    assert lost == []


def test_the_tables_of_rooms_are_the_files_that_there_are() -> None:
    rooms = text("DESIGN.md").split("## The rooms", 1)[1].split("## The nouns", 1)[0]
    tables = re.findall(r"^\| `([\w/-]+)/` \| owns \|\n((?:\|.*\n)+)", rooms, flags=re.MULTILINE)
    listed = {
        f"{folder}/{name}"
        for folder, rows in tables
        for row in rows.splitlines()
        for name in re.findall(r"`([\w/]+\.rs)`", row.split("|")[1])
    }
    source = ROOT / "rust" / "eprop" / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*.rs")}
    in_folders = {file for file in files if "/" in file}
    # A folder's mod.rs lists its files, and has a row where it does more; unit tests have none.
    optional = {file for file in in_folders if file.endswith(("/mod.rs", "/tests.rs"))}
    assert in_folders - optional - listed == set(), "files without a row"
    assert listed - in_folders == set(), "rows without a file"
    assert {file for file in files - in_folders if f"`{file}`" not in rooms} == set()
