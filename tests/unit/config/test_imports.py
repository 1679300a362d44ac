"""Collection pays for this room each time, so it stays light and low."""

import subprocess
import sys


def test_the_room_imports_nothing_heavy_and_no_room_above_it():
    program = (
        "import sys, pytest_mlpstorage.config\n"
        "rooms = [m for m in sys.modules if m.startswith('pytest_mlpstorage.') and m.count('.') == 1]\n"
        "heavy = [m for m in ('torch', 'numpy', 'pandas', 'matplotlib', 'mpi4py', 'pytest', 'psutil', 'jsonschema') if m in sys.modules]\n"
        "print(sorted(rooms), heavy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rooms = [f"pytest_mlpstorage.{name}" for name in ("asking", "config", "errors", "units", "verdict")]
    assert done.stdout.strip() == f"{rooms} []"
