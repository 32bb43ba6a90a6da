"""`listener …` and `python -m listener …`: runs one command, and turns whatever goes wrong into one line and an exit code.

    0  fine    1  a check or command failed    75  try again (lock held, storage error)    78  configuration

Nobody is ever shown a traceback; an error of ours names the place in the code, for the report.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

FAILED, TRY_AGAIN, CONFIGURATION, INTERRUPTED = 1, 75, 78, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    from .commands.arguments import parser
    from .errors import ConfigurationError, LedgerError, ListenerError

    try:
        arguments = parser().parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return 0  # the reader had enough, as in `listener messages | head`
    except KeyboardInterrupt:
        return INTERRUPTED
    except ConfigurationError as error:
        return _say(CONFIGURATION, *map(str, error.faults))
    except LedgerError as error:
        return _say(TRY_AGAIN, str(error))
    except ListenerError as error:
        return _say(getattr(error, "exit_code", FAILED), str(error))
    except Exception as error:  # the last boundary before a person
        return _say(FAILED, f"internal error, please report: {_described(error)}")
    return code


def _say(code: int, *lines: str) -> int:
    from .commands.printing import harmless

    for line in lines:
        print(f"listener: {harmless(line)}", file=sys.stderr)
    return code


def _described(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({os.path.basename(frame.filename)}:{frame.lineno})"


def _forget_output() -> None:
    """Nothing more can be written to standard output, not even by the interpreter's last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
