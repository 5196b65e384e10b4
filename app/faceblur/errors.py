"""The error tree. Each class knows its exit code; each message says what happened and what to do next."""


class FaceblurError(Exception):
    """Something went wrong that a person can act on."""

    exit_code = 1


class UsageError(FaceblurError):
    """The request itself makes no sense."""

    exit_code = 2


class SourceError(FaceblurError):
    """A source, or a frame of it, cannot be read."""

    exit_code = 3


class MissingError(FaceblurError):
    """A program, a weights file or an optional package is not here."""

    exit_code = 4


class MediaError(FaceblurError):
    """Encoding failed, or what was written does not match its source."""

    exit_code = 5


class IncompleteError(FaceblurError):
    """A job is not finished, or was made with other options."""

    exit_code = 6


class OutputError(FaceblurError):
    """A file or folder cannot be written."""

    exit_code = 7


class Interrupted(FaceblurError):  # noqa: N818 - it reports a wish, not a fault
    """A person or the system asked to stop."""

    exit_code = 130
