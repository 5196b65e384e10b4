"""Run the command line many times in one process: a JSON list of arguments a line in, its exit code and words out."""

import contextlib
import io
import json
import os
import sys

from faceblur.cli import main


def run(arguments: list[str]) -> tuple[object, str]:
    """The exit code of one command, and all that it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(arguments)
        except SystemExit as end:
            return end.code, said.getvalue()
    return None, said.getvalue()


if __name__ == "__main__":
    os.fsync = lambda descriptor: None  # nobody pulls the plug, and it takes most of the time
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers)
