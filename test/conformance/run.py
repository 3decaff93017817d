#!/usr/bin/env python3
"""Runs CPython's own test modules on top of a driver's sockets: docs/conformance.md."""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from cpython import MODULES, NotHere, find_library, kernel_has, revision
from module import Driver, Module, environment, here

# what counts on the way to the exit status, in the order of the table
COLUMNS = ["passed", "failed", "errored", "skipped", "left out"]
# how a test process calls an outcome -> the report's name for it
NAMES = {"failed": "failed", "errored": "failed", "passed": "passed", "skipped": "skipped",
         "left out": "left out"}


def left_out():
    """{glob: why} of the tests that cannot be run through a bridge."""
    with open(os.path.join(here, "expectations.json")) as f:
        return {glob: row["because"] for row in json.load(f) if row["outcome"] == "left out"
                for glob in row["tests"]}


def compare_constants(args, tmp):
    """The library's exported constants against CPython's, name by name."""
    driver = Driver(args, tmp)
    code = ("import sys, json; sys.path.insert(0, %r); import bridge\n"
            "if not bridge.installed(): bridge.install()\n"
            "json.dump([bridge.constants(), bridge.driver_constants()], sys.stdout)" % here)
    try:
        p = subprocess.run([args.python, "-c", code], env=environment(driver), capture_output=True,
                           text=True, timeout=60)
        if p.returncode:
            raise NotHere("the constants could not be compared:\n" + p.stderr)
        want, got = json.loads(p.stdout)
    finally:
        driver.stop()
    return {"equal": sum(got.get(k) == v for k, v in want.items()),
            "missing": sorted(k for k in want if k not in got),
            "different": {k: [v, got[k]] for k, v in want.items() if k in got and got[k] != v}}


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("modules", nargs="*", metavar="MODULE", help="default: " + " ".join(MODULES))
    p.add_argument("--driver", choices=["reference", "node", "native"], default="node",
                   help="native: CPython's own _socket, no bridge at all (the baseline)")
    p.add_argument("--library", metavar="PATH", help="the package root of berkeley-sockets",
                   default=os.path.join(here, "..", ".."))
    p.add_argument("--flavour", choices=["async", "sync"], default="async")
    p.add_argument("--report", metavar="FILE", help="everything, as JSON")
    p.add_argument("--deadline", type=int, default=30, metavar="SECONDS", help="for one test (30)")
    p.add_argument("--restarts", type=int, default=40, metavar="N",
                   help="of a module, after a hang or a crash, before the rest counts as errored (40)")
    p.add_argument("--busy", type=float, default=0.4, metavar="SHARE",
                   help="a test that failed while others had more than this share of the "
                        "processors is run again, once (0.4)")
    p.add_argument("--match", action="append", metavar="GLOB",
                   help="only these, e.g. 'test_socket.BasicTCPTest.*'")
    p.add_argument("--exclude", action="append", default=[], metavar="GLOB")
    p.add_argument("--all", action="store_true", help="also what expectations.json leaves out")
    p.add_argument("--python", default="/usr/bin/python3", help="a CPython 3.11 (/usr/bin/python3)")
    p.add_argument("--node", default="node")
    p.add_argument("--node-arg", action="append", default=[], help="e.g. --node-arg=--expose-gc")
    p.add_argument("--cache", help="folder for CPython's tests, outside any repository",
                   default=os.environ.get("CONFORMANCE_CACHE") or os.path.join(
                       os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                       "berkeley-sockets-conformance"))
    p.add_argument("--setup", action="store_true", help="only fetch CPython's tests")
    p.add_argument("--verbose", action="store_true",
                   help="name every test that did not pass, with its reason")
    args = p.parse_args()
    if not os.path.exists(args.python):
        args.python = sys.executable
    args.node = shutil.which(args.node) or args.node
    return args


def main():
    args = arguments()
    library = find_library(args.python, args.cache)
    if args.setup:
        print(library or "the interpreter has its own")
        return 0
    report = {"driver": args.driver, "flavour": args.flavour, "cpython": revision(library),
              "kernel": kernel_has(args.python), "modules": {}}
    total = collections.Counter()
    print("%-34s" % "module", *["%8s" % c for c in COLUMNS], " seconds")
    with tempfile.TemporaryDirectory(prefix="conf") as tmp:
        for name in args.modules or MODULES:
            m = Module(name, args, library, {} if args.all else left_out(), tmp).run()
            n = collections.Counter(o[0] for o in m.outcome.values())
            total.update(n)
            print("%-34s" % name, *["%8d" % n[c] for c in COLUMNS], "%8.1f" % m.seconds, flush=True)
            for id in m.again:
                print("  ran again, since others had the processors: " + id)
            if args.verbose:
                for t, o in m.outcome.items():
                    if o[0] != "passed":
                        print("  %-8s %s: %s" % (o[0], t, o[1][:300]), flush=True)
            report["modules"][name] = {
                "seconds": m.seconds, "processes": m.starts, "again": m.again, "driver_stderr": m.noise,
                "tests": {t.removeprefix("test."): {
                    "outcome": NAMES[o[0]], "last": o[1], "traceback": o[2], "seconds": o[3], "others": o[4]}
                    for t, o in m.outcome.items()}}
        ok = total["passed"] and not total["failed"] + total["errored"]
        if args.driver == "node":
            c = report["constants"] = compare_constants(args, tmp)
            print("constants: %d equal, %d missing, %d different" % (
                c["equal"], len(c["missing"]), len(c["different"])))
            ok = ok and not c["missing"] and not c["different"]
    if args.report:
        with open(args.report, "w") as f:
            json.dump(report, f, indent=1)
    print("%d passed, %d failed, %d skipped" % (
        total["passed"], total["failed"] + total["errored"], total["skipped"] + total["left out"]))
    return 0 if ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotHere as e:
        sys.exit("conformance: %s" % e)
