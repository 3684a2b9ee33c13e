"""The pages for users and contributors: their Python runs as it is written, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
PAGES = [
    "README.md",
    "DESIGN.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "SECURITY.md",
    *DOCS,
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


@pytest.mark.parametrize("page", [page for page in DOCS if "```python" in text(page)])
def test_python_blocks_run_from_top_to_bottom(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # for what they write
    code = "\n".join(re.findall(r"```python\n(.*?)```", text(page), flags=re.DOTALL))
    assert "assert" in code or "pytest.raises" in code, "an example says what it shows"
    exec(compile(code, page, "exec"), {})


def test_every_page_has_a_place_in_the_site() -> None:
    places = set(re.findall(r": ([\w/-]+\.md)$", text("mkdocs.yml"), flags=re.MULTILINE))
    assert {page.removeprefix("docs/") for page in DOCS} - places == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    lost = []
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text(page)):
        target, _, anchor = link.partition("#")
        if target.startswith("figures/"):
            continue  # made by the site's build, which looks after them
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(link)
    assert lost == []


def test_comments_point_at_pages_that_there_are() -> None:
    sources = [
        path
        for folder in ("rust", "python", "tests", "benches", "examples")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".rs", ".py", ".pyi", ".sh") and "target" not in path.parts
    ]
    pointers = [
        (path, page)
        for path in sources
        for page in re.findall(r"[\w./-]+\.md\b", path.read_text(encoding="utf-8"))
    ]
    assert any(page == "docs/method.md" for _, page in pointers)
    lost = [
        (str(path), page)
        for path, page in pointers
        if not (ROOT / page).exists() and not (path.parent / page).exists()
    ]
    assert lost == []


def test_the_tables_of_rooms_are_the_files_that_there_are() -> None:
    rooms = text("DESIGN.md").split("## The rooms", 1)[1].split("## The nouns", 1)[0]
    crate = ROOT / "rust" / "eprop" / "src"
    listed = set()
    for folder, rows in re.findall(r"^\| `([\w/-]+)/` \| owns \|\n((?:\|.*\n)+)", rooms, flags=re.MULTILINE):
        home = crate / folder if (crate / folder).exists() else ROOT / folder
        cells = [row.split("|")[1] for row in rows.splitlines()]
        listed |= {home / name for cell in cells for name in re.findall(r"`([\w/]+\.\w+)`", cell)}
    here = {path for path in crate.rglob("*.rs") if path.parent != crate}
    here |= set((ROOT / "rust" / "eprop-python" / "src").rglob("*.rs"))
    here |= {path for end in ("py", "pyi") for path in (ROOT / "python" / "eprop").rglob(f"*.{end}")}
    # A folder's mod.rs lists its files, and has a row where it does more; unit tests have none.
    optional = {path for path in here if path.name in ("mod.rs", "tests.rs") or path.parent.name == "tests"}
    assert here - optional - listed == set(), "files without a row"
    assert listed - here == set(), "rows without a file"
    assert {path for path in crate.glob("*.rs") if f"`{path.name}`" not in rooms} == set()
