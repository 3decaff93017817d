"""Runs the tests of one CPython test module in this process and reports each
test on a pipe, one JSON line an event.  Started by module.py through child.py."""
import faulthandler
import fnmatch
import json
import os
import sys
import time
import traceback

conf = json.loads(os.environ.pop("CONFORMANCE_CHILD"))
out = os.fdopen(conf["fd"], "w", buffering=1)
os.set_inheritable(conf["fd"], False)
if conf["bridge"]:
    import bridge
    if not bridge.installed():         # else: already done by sitecustomize
        bridge.install()

import unittest
from test import support

support.use_resources = conf["resources"]
support.verbose = 0
trace = open(conf["trace"], "w")


def tell(**event):
    out.write(json.dumps(event) + "\n")


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        trace.seek(0)
        trace.truncate()
        faulthandler.dump_traceback_later(conf["deadline"] - 1, file=trace)
        self.status = ["passed", "", ""]
        self.t0 = time.monotonic()
        tell(ev="start", id=test.id())

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        tell(ev="end", id=test.id(), status=self.status[0], last=self.status[1],
             traceback=self.status[2], seconds=round(time.monotonic() - self.t0, 3))
        super().stopTest(test)

    def _note(self, test, status, err=None, reason=""):
        last = tb = reason
        if err:
            tb = self._exc_info_to_string(err, test)[-6000:]
            # the traceback's last line; of a message of many lines (diffs), the first
            last = "".join(traceback.format_exception_only(*err[:2])).strip().split("\n")[0]
        if getattr(test, "_testMethodName", None) is None and not hasattr(test, "test_case"):
            # a fixture: setUpModule, setUpClass, tearDownClass
            return tell(ev="fixture", id=test.id(), status=status, last=last, traceback=tb)
        rank = ["passed", "skipped", "failed", "errored"]
        if rank.index(status) > rank.index(self.status[0]):
            self.status = [status, last, tb]

    def addSuccess(self, test): pass
    def addExpectedFailure(self, test, err): pass
    def addSkip(self, test, reason): self._note(test, "skipped", reason=reason)
    def addFailure(self, test, err): self._note(test, "failed", err)
    def addError(self, test, err): self._note(test, "errored", err)

    def addUnexpectedSuccess(self, test):
        self._note(test, "failed", reason="unexpected success")

    def addSubTest(self, test, subtest, err):
        if err:
            bad = issubclass(err[0], test.failureException)
            self._note(subtest, "failed" if bad else "errored", err)


def flatten(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from flatten(t)
        else:
            yield t


def wanted(id):
    short = id.removeprefix("test.")
    return (any(fnmatch.fnmatchcase(short, p) for p in conf["include"])
            and not any(fnmatch.fnmatchcase(short, p) for p in conf["exclude"]))


def main():
    loader = unittest.TestLoader()
    tests = list(flatten(loader.loadTestsFromName("test." + conf["module"])))
    if loader.errors:
        tell(ev="fixture", id=conf["module"], status="errored", traceback=loader.errors[0],
             last=loader.errors[0].strip().splitlines()[-1])
    done = set(conf["done"])
    tests = [t for t in tests if wanted(t.id())]
    tell(ev="plan", ids=[t.id() for t in tests])
    run = []
    for t in tests:
        if t.id() in done:
            continue
        short = t.id().removeprefix("test.")
        reason = next((r for p, r in conf["left_out"].items() if fnmatch.fnmatchcase(short, p)), None)
        if reason:
            tell(ev="end", id=t.id(), status="left out", last=reason, traceback="", seconds=0)
        else:
            run.append(t)
    unittest.TestSuite(run).run(Result())
    tell(ev="done")
    out.flush()
    os._exit(0)
