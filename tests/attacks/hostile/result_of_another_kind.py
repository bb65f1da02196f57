"""Sends a pickle for a result.

full, partial, landlock, none: sandbox_violation
"""

import os
import pickle


class Evil:
    def __reduce__(self):
        return print, ("WON",)


def unlearning(net, retain, forget, val):
    os.write(3, pickle.dumps(Evil()))
    os._exit(0)
