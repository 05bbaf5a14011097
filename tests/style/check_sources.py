#!/usr/bin/env python3
"""Rules of the source tree that a compiler does not enforce (docs: shared style).

- No `#include` that climbs out of its folder with "../": layering is what a target's include path says.
- Library folders never end the process, and write to no standard stream.
- Every public header compiles alone, under C17 with all warnings.
- Public and private headers have an include guard that names them; op and other tables (.def) have none.
- Files keep to 1000 lines; tables (.def) and tests are exempt.
- Library folders have no mutable globals (checked for the common form: a file-scope non-const variable).
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

LIBRARIES = ["ir", "frontend", "passes", "costmodel", "codegen", "runtime", "driver"]
INCLUDE_PATHS = ["ir/include", "ir/support/include", "frontend/include", "passes/include", "costmodel/include", "codegen/include", "runtime/include",
                 "driver/include"]
ENDS_PROCESS = re.compile(r"(?<![\w.>])(exit|_exit|_Exit|quick_exit|abort)\s*\(")
WRITES = re.compile(r"(?<![\w.>])(printf|puts|putchar|perror|vprintf)\s*\(|\bf(?:printf|puts|write)\s*\([^;]*\b(?:stdout|stderr)\b")
FILE_SCOPE_VARIABLE = re.compile(r"^(?:static\s+)?(?!const\b|static\b|extern\b|typedef\b|struct\b.*\{|union\b|enum\b|return\b|_Static_assert\b|SL_)"
                                 r"(?:unsigned\s+|struct\s+)?\w+[\s*]+\w+(?:\[[^\]]*\])?\s*(?:=[^;(]*)?;\s*(?:/\*.*)?$")


def strip_comments(text):
    """Comments and string contents become blanks; line numbers stay."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda match: ('""' if match.group(0)[0] == '"' else " ") + "\n" * match.group(0).count("\n"), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--compiler", default="cc")
    options = parser.parse_args()
    root = options.source
    problems = []

    def problem(path, line, message):
        problems.append(f"{path.relative_to(root)}:{line}: {message}")

    sources = [path for folder in LIBRARIES + ["cli", "tests"] for path in sorted((root / folder).rglob("*.[ch]"))]
    for path in sources:
        text = path.read_text(encoding="utf-8")
        library = path.relative_to(root).parts[0] in LIBRARIES
        for number, line in enumerate(text.split("\n"), 1):
            if re.match(r'\s*#\s*include\s*"[^"]*\.\./', line):
                problem(path, number, 'an #include climbs with "../"; use what the target exports')
        if path.suffix == ".h" and not re.search(r"#ifndef (SLUICE_\w+_H)\n#define \1\n", text):
            problem(path, 1, "a header needs an include guard SLUICE_..._H")
        if not library:
            continue
        if text.count("\n") > 1000:
            problem(path, 1000, "longer than 1000 lines")
        depth = 0
        for number, line in enumerate(strip_comments(text).split("\n"), 1):
            if ENDS_PROCESS.search(line):
                problem(path, number, "a library must not end the process: return a status")
            if WRITES.search(line):
                problem(path, number, "a library must not write to standard streams: report a diagnostic")
            if path.suffix == ".c" and depth == 0 and FILE_SCOPE_VARIABLE.match(line) and "const" not in line and "_Thread_local" not in line:
                problem(path, number, "mutable global")
            depth += line.count("{") - line.count("}")

    headers = [path for folder in INCLUDE_PATHS for path in sorted((root / folder).rglob("*.h"))]
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"] + [f"-I{root / folder}" for folder in INCLUDE_PATHS]
    with tempfile.TemporaryDirectory() as scratch:
        for header in headers:
            name = header.relative_to(next(root / folder for folder in INCLUDE_PATHS if (root / folder) in header.parents))
            unit = pathlib.Path(scratch) / "unit.c"
            # Twice, so that a missing guard shows.
            unit.write_text(f'#include "{name}"\n#include "{name}"\ntypedef int not_empty;\n')
            result = subprocess.run([options.compiler, *flags, str(unit)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if result.returncode != 0:
                problem(header, 1, "does not compile alone:\n" + result.stdout)
    print("\n".join(problems) if problems else f"{len(sources)} sources and {len(headers)} public headers keep the rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
