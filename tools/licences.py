"""Reads `cargo metadata` and fails on licences that are not permissive.

An expression passes when some choice of its alternatives uses permissive licences only.
"""

import json
import re
import sys

PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "BSL-1.0", "bzip2-1.0.6", "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "OpenSSL",
    "Unicode-3.0", "Unlicense", "Zlib",
    # File-level copyleft: used unmodified as libraries, which asks nothing of our files.
    "MPL-2.0",
}


def is_permissive(expression: str) -> bool:
    """Evaluates an SPDX expression; the old `A/B` form means `A OR B`."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)

    def either() -> bool:
        result = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            other = both()
            result = result or other
        return result

    def both() -> bool:
        result = single()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = single()
            result = result and other
        return result

    def single() -> bool:
        token = tokens.pop(0)
        if token == "(":
            result = either()
            tokens.pop(0)
            return result
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            token += " WITH " + tokens.pop(0)
        return token in PERMISSIVE

    return either()


def main() -> int:
    metadata = json.load(sys.stdin)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    bad = []
    for package in metadata["packages"]:
        if package["id"] not in used or package["source"] is None:
            continue
        licence = package.get("license")
        if licence is None or not is_permissive(licence):
            bad.append(f"{package['name']} {package['version']}: {licence or package.get('license_file')}")
    for line in sorted(bad):
        print(line)
    print(f"{len(used)} crates read, {len(bad)} with a licence that needs a decision")
    return 1 if bad else 0


sys.exit(main())
