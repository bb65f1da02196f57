"""Never ends, and ignores every request to.

full, partial, landlock, none: timeout
"""

import signal


def unlearning(net, retain, forget, val):
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        signal.pause()
