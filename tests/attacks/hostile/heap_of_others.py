"""Looks through its own memory for what other runs, or the host, may have left in it.

full, partial, landlock, none: harmless
runs: 3
"""

import re

PATTERNS = (rb'"peak_memory_mb": [0-9]', rb'"seconds": [0-9.]+, "peak', rb"run-[0-9a-f]{16}")


def unlearning(net, retain, forget, val):
    with open("/proc/self/mem", "rb", 0) as memory, open("/proc/self/maps") as maps:
        for line in maps:
            addresses, access, *_ = line.split()
            if "rw" not in access:
                continue
            start, end = (int(address, 16) for address in addresses.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:
                continue
            for pattern in PATTERNS:
                if found := re.search(pattern, content):
                    print("WON", found[0])
