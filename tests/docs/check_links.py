#!/usr/bin/env python3
"""Documentation that points somewhere: every relative link in a tracked *.md leads to a file (and heading), and every path of a file in backticks exists."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]


def documents():
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "*.md"], stdout=subprocess.PIPE, text=True)
    names = listed.stdout.split() if listed.returncode == 0 and listed.stdout else ["README.md", *[str(p.relative_to(root)) for p in (root / "docs").glob("*.md")]]
    return [root / name for name in names]


def anchors(path):
    """Headings as they are linked to: lower case, words joined by dashes, punctuation dropped."""
    found = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        heading = re.match(r"#+\s+(.*)", line)
        if heading:
            found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.group(1).lower()).strip()))
    return found


def main():
    top = {path.name for path in root.iterdir()}
    wrong = []
    for document in documents():
        text = document.read_text(encoding="utf-8")
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"\w+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = document.parent / name if name else document
            if not path.exists():
                wrong.append(f"{document.relative_to(root)}: the link to {target} leads nowhere")
            elif anchor and path.suffix == ".md" and anchor not in anchors(path):
                wrong.append(f"{document.relative_to(root)}: {name or 'it'} has no heading for #{anchor}")
        for path in re.findall(r"`([\w.-]+/[\w./-]+)`", prose):
            first = path.split("/")[0]
            # without a dot it may as well be the name of a test
            if first in top and "." in path.split("/")[-1] and not first.startswith("build") and not (root / path).exists():
                wrong.append(f"{document.relative_to(root)}: there is no {path}")
    print("\n".join(wrong) or "all links and paths lead somewhere")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
