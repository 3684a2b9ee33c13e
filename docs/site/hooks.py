"""What the site needs beside the pages of docs/: the repository's own pages, and links out of docs/ that lead to them.

On a page of the repository `../DESIGN.md` is a file; on the site it is `design.md`. A link to a file that is no page
becomes one to the repository, if `repo_url` in mkdocs.yml names it, and plain text if not. The figures of the gallery are
made by the code of the gallery, that of "What you give up" of what its bench has printed.
"""

from __future__ import annotations

import io
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "DESIGN.md": "design.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
}
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == "examples/README.md":
            text += "".join(listing(path) for path in sorted((ROOT / "examples").glob("*.py")))
        files.append(File.generated(config, page, content=text))
    for name, picture in figures((ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")):
        files.append(File.generated(config, f"figures/{name}.svg", content=picture))
    files.append(File.generated(config, "figures/what-you-give-up.svg", content=what_you_give_up()))
    return files


def figures(page: str) -> Iterator[tuple[str, bytes]]:
    """The name of each section that draws, and what its `ax` is on after its code."""
    import matplotlib

    matplotlib.use("svg")
    scope: dict[str, Any] = {}
    for section in page.split("\n## "):
        exec(
            compile(
                "\n".join(re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)), "gallery.md", "exec"
            ),
            scope,
        )
        if "ax" in scope:
            to = io.BytesIO()
            figure = scope.pop("ax").figure
            figure.set_size_inches(6.0, 3.6)
            figure.savefig(to, format="svg", bbox_inches="tight")
            yield re.sub(r"\W+", "-", section.split("\n", 1)[0].lower()), to.getvalue()


def what_you_give_up() -> bytes:
    """Drawn by `benches/learning.py` of what its last runs have printed."""
    sys.path.insert(0, str(ROOT / "benches"))
    import learning

    to = io.BytesIO()
    printed = learning.printed([ROOT / "docs" / "site" / "learning.log"])
    learning.draw(printed).savefig(to, format="svg")
    return to.getvalue()


def listing(path: Path) -> str:
    return f"\n## {path.name}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    source = next(
        (name for name, to in PAGES.items() if to == page.file.src_path), f"docs/{page.file.src_path}"
    )

    def replace(link: re.Match[str]) -> str:
        text, to, anchor = link[1], link[2], link[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), to))
        path = f"{path}/README.md" if f"{path}/README.md" in PAGES else path
        at = PAGES.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if at is not None:
            return f"[{text}]({posixpath.relpath(at, posixpath.dirname(page.file.src_path) or '.')}{anchor})"
        return (
            f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path}{anchor})" if config.repo_url else text
        )

    return LINK.sub(replace, markdown)
