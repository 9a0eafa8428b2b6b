#!/usr/bin/env python3
"""Verifies many changed versions of one export in one process, for the tamper corpus: what they share is read once.

usage: verify_changed.py --trusted-keys FILE [--tree-head FILE ...] [--anew] EXPORT
With --anew each version is read as if it were the first.
Standard input is one version a line, as a JSON array of the lines it consists of: a string is a line, [from, to] stands for those
lines of EXPORT. Prints a verdict a version, as verify_export.py does.
"""

import argparse
import json
import sys

from verify_export import Export, read_heads, read_keys, verdict


def version(parts, lines):
    for part in parts:
        if isinstance(part, str):
            yield part.encode() + b"\n"
        else:
            yield from lines[part[0] : part[1]]


def main():
    parser = argparse.ArgumentParser(description="Verifies changed versions of an export.")
    parser.add_argument("--trusted-keys", required=True)
    parser.add_argument("--tree-head", action="append", default=[])
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("export")
    options = parser.parse_args()
    keys, heads, known = read_keys(options.trusted_keys), read_heads(options.tree_head), {}
    with open(options.export, "rb") as file:
        lines = list(file)
    if not options.anew:
        Export(keys, heads, [], known).run(lines)
    for request in sys.stdin:
        export = Export(keys, heads, [], known, learns=False)
        print(verdict(options.export, export, export.run(version(json.loads(request), lines))), flush=True)


if __name__ == "__main__":
    main()
