"""The exception for what is the host's fault."""


class SandboxError(RuntimeError):
    """The host's fault, never a submission's: the message says what to mend."""
