"""CPython's test modules, where they come from, and what of the kernel they ask for."""
import json
import os
import subprocess
import tempfile
import urllib.parse

# The tests, and the library of the same Debian revision: it goes in front of the
# installed one, which may lack fixes that the tests look for.
PACKAGES = ["libpython3.11-testsuite", "libpython3.11-stdlib", "libpython3.11-minimal"]

# name -> regrtest resources to allow: test_timeout's unreachable addresses need a route,
# its connections to hosts of the Internet ask for a resource of their own
MODULES = {
    "test_socket": [],
    "test_timeout": ["network"],
    "test_select": [],
}

# What a kernel may lack, and with it CPython's tests of it. Asked of CPython's own `_socket`,
# never of the library under test.
KERNEL = {
    "AF_ALG": "socket(AF_ALG, SOCK_SEQPACKET, 0)",
    "AF_BLUETOOTH": "socket(AF_BLUETOOTH, SOCK_STREAM, BTPROTO_RFCOMM)",
    "AF_CAN": "socket(AF_CAN, SOCK_RAW, CAN_RAW)",
    "AF_INET6": "socket(AF_INET6, SOCK_STREAM, 0)",
    "AF_QIPCRTR": "socket(AF_QIPCRTR, SOCK_DGRAM, 0)",
    "AF_RDS": "socket(AF_RDS, SOCK_SEQPACKET, 0)",
    "AF_TIPC": "socket(AF_TIPC, SOCK_SEQPACKET, 0)",
    "AF_VSOCK": "open('/dev/vsock', 'rb')",
    "CAN_ISOTP": "socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP)",
    "CAN_J1939": "socket(AF_CAN, SOCK_DGRAM, CAN_J1939)",
    "IPPROTO_SCTP": "socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)",
    "IPPROTO_UDPLITE": "socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE)",
}


REVISION = "revision"     # file in the cache


class NotHere(Exception):
    """This machine lacks what the run needs; the message says what."""


def find_library(python, cache):
    """The folder of a Python library with its tests, where the interpreter
    itself has none (Debian), else None."""
    probe = ("import importlib.util as u, sys;"
             "print(*sys.version_info[:2], u.find_spec('test.test_socket') is not None)")
    try:
        said = subprocess.run([python, "-I", "-c", probe], capture_output=True, text=True).stdout.split()
    except OSError as e:
        raise NotHere("%s cannot be started: %s" % (python, e)) from None
    if said[:2] != ["3", "11"]:
        raise NotHere("%s is not CPython 3.11, whose tests these are: say --python PATH" % python)
    if said[2] == "True":
        return None
    if not os.path.exists(os.path.join(cache, REVISION)):
        fetch(cache)
    return os.path.join(cache, "usr/lib/python3.11")


def revision(library):
    """Which CPython's tests these are."""
    if library is None:
        return "the interpreter's own"
    with open(os.path.join(library, "../../..", REVISION)) as f:
        return f.read().strip()


def fetch(cache):
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        def apt(*args):
            return subprocess.run(["apt-get", "-qq", "-o", "Acquire::Retries=3", *args], cwd=tmp,
                                  capture_output=True, text=True)
        try:
            # the lists of a fresh machine are missing or old: fetched only when the first try says so
            done = apt("download", *PACKAGES)
            if done.returncode:
                apt("update")
                done = apt("download", *PACKAGES)
        except FileNotFoundError:
            raise NotHere("there is no apt-get here: say --python PATH, a CPython 3.11 "
                          "with its `test` package") from None
        if done.returncode:
            raise NotHere("apt-get download: " + done.stderr.strip())
        for deb in sorted(os.listdir(tmp)):
            subprocess.run(["dpkg", "-x", os.path.join(tmp, deb), cache], check=True)
        name = next(deb for deb in os.listdir(tmp) if deb.startswith(PACKAGES[0]))
    # written last: it says that all of it is there
    with open(os.path.join(cache, REVISION), "w") as f:
        f.write(urllib.parse.unquote(name.split("_")[1]))


def kernel_has(python):
    """{name: whether the running kernel has it}"""
    code = """if True:
        import json, socket, sys
        def has(opening):
            try:
                eval(opening, vars(socket)).close()
                return True
            except (OSError, NameError):
                return False
        print(json.dumps({k: has(v) for k, v in json.loads(sys.argv[1]).items()}))"""
    out = subprocess.run([python, "-I", "-c", code, json.dumps(KERNEL)], capture_output=True,
                         text=True, check=True).stdout
    return json.loads(out)
