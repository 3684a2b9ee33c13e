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
    "docs/README.md",
    "docs/method.md",
    "docs/streams.md",
    "examples/README.md",
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


def test_the_table_of_rooms_has_every_file_of_the_crate() -> None:
    source = ROOT / "rust" / "eprop" / "src"
    files = {path.relative_to(source) for path in source.rglob("*.rs")}
    rooms, missing = text("DESIGN.md").split("## The rooms", 1)[1].split("## The nouns", 1)[0], []
    for path in sorted(files):
        table = (
            rooms.split(f"| `{path.parts[0]}/` |", 1)[-1].split("\n\n", 1)[0]
            if len(path.parts) > 1
            else rooms
        )
        name = "/".join(path.parts[1:]) or path.name
        if path.name not in ("tests.rs", "mod.rs") and f"`{name}`" not in table:
            missing.append(str(path))
    assert missing == []
