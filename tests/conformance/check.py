#!/usr/bin/env python3
"""The ONNX project's own test cases against the list of those that do not pass.

    check.py RESULT.json                 exit code 1 if a case passes no more, or passes although it is listed
    check.py RESULT.json --write         write the list; reasons of wrong results are kept, since a person wrote them

RESULT.json is what `run_suite.py run ... --json` leaves. The list beside this file has a line for each case of tiers 1 and
2 that does not pass: tier, case, reason. What is not supported says so; where the expected values are in doubt, the reason
says why.
"""
import json
import os
import re
import sys

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "not_passing.txt")


def reason(message):
    """One line without what differs from run to run."""
    message = re.sub(r"\s+", " ", message).strip()
    message = re.sub(r"^unsupported(\[[a-z-]+\])?: ", "", message)
    return re.sub(r" = help: .*", "", message)[:160]


def read_list():
    with open(LIST, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    return {name: (int(tier), why) for tier, name, why in rows}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        rows = [r for r in json.load(f) if r["tier"] in (1, 2)]
    known = read_list() if os.path.exists(LIST) else {}
    missing = sorted((r["tier"], r["name"], reason(r["msg"])) for r in rows if r["status"] != "pass")
    if "--write" in sys.argv:
        doubted = {r["name"] for r in rows if r["status"] == "fail" and r["name"] in known}
        missing = [(tier, name, known[name][1] if name in doubted else why) for tier, name, why in missing]
        with open(LIST, "w", encoding="utf-8") as f:
            f.write("# tier\tcase\treason\n")
            f.writelines(f"{tier}\t{name}\t{why}\n" for tier, name, why in missing)
        return
    status = {r["name"]: r["status"] for r in rows}
    bad = ("fail", "error")
    wrong = [f"{r['name']}: {r['status']}: {r['msg'][:200]}" for r in rows if r["status"] in bad and r["name"] not in known]
    lost = [f"{name}: passes no more: {why}" for _, name, why in missing if name not in known and status[name] not in bad]
    stale = [f"{name}: passes, remove it from the list" for name in known if status.get(name) == "pass"]
    for line in wrong + lost + stale:
        print(line)
    for tier in (1, 2):
        cases = [r for r in rows if r["tier"] == tier]
        print(f"tier {tier}: {sum(r['status'] == 'pass' for r in cases)} of {len(cases)} pass")
    sys.exit(bool(wrong or lost or stale))


main()
