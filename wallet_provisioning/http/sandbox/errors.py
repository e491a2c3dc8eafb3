"""Why a sandbox can't run. Each docstring is the line that the user reads."""


class SandboxError(Exception):
    """The sandbox can't run."""

    def __init__(self, **fields: object) -> None:
        """Fill the fields into the docstring."""
        super().__init__((self.__doc__ or "").format(**fields))


class WrongOptionError(SandboxError):
    """Wrong sandbox option: {what}."""


class StateTakenError(SandboxError):
    """Another sandbox holds the state file {path}: stop it, or name another file with --state."""


class StateCorruptError(SandboxError):
    """Line {line} of the state file {path} can't be read: restore the file, or move it away to start anew."""


class StateUnusableError(SandboxError):
    """The state file {path} can't be used ({why}): make it writable, or name another with --state."""


class PortTakenError(SandboxError):
    """The sandbox can't listen on {host}:{port} ({why}): stop what holds it, or name another with --port."""


class ChildFailedError(SandboxError):
    """The sandbox process could not start: {why}."""
