"""Python processes that a test starts (multiprocessing's spawn) get the stand-in too."""
import os
import sys

if os.environ.get("BERKELEY_BRIDGE"):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.insert(0, here)
    try:
        import bridge
        if not bridge.installed() and "socket" not in sys.modules:
            bridge.install()
    finally:
        sys.path.remove(here)
