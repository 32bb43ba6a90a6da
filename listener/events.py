"""Every event that may be logged: its fixed word, what it means and what to do. docs/operations.md shows this table.

A new event is added here; a test finds words in the code that are not here, and words here that no code logs.
"""

from __future__ import annotations

from collections.abc import Mapping

EVENTS: Mapping[str, str] = {
    "account.backoff": "A session ended with an error; the account tries again after `seconds`. `error` says what to do.",
    "account.restarted": "A session failed in a way we did not foresee; it is begun again. Please report it.",
    "admin.token_generated": "No `admin.token_file` is configured, so a token was made in `file`.",
    "account.unready": "A file that this account needs cannot be used; it is looked at again at each sign-in.",
    "configuration.warning": "A setting works and should still be looked at.",
    "daemon.draining": "Asked to stop: no new mail is fetched, running work is finished.",
    "daemon.ended_at_once": "Asked twice to stop: ended without finishing. Nothing is lost.",
    "daemon.ready": "Everything is open and the accounts are being started.",
    "daemon.refused": "The daemon cannot start, and why; one line for each reason. Mend it and start again.",
    "daemon.stopped": "The daemon has ended, with this exit code.",
    "delivery.dead": "A hook failed for good or too often. See `listener explain ENTRY`; `listener retry ENTRY`.",
    "delivery.deferred": "A hook asked to be called later.",
    "delivery.done": "A hook took a message.",
    "delivery.failed": "A hook failed; it is called again at `again_at`.",
    "delivery.hook_removed": "Deliveries to hooks that left the configuration are dead; `listener retry` once it is back.",
    "delivery.host_fault": "Listener itself failed while it ran a hook; it is called again. Please report it.",
    "delivery.ignored": "A hook had nothing to do with a message.",
    "dispatcher.interrupted": "Hooks did not finish within the time for stopping; they are called again, with the same key.",
    "drain.unfinished": "Messages were in flight when the time for stopping ended; they are still on the server.",
    "folder.found": "A watched folder that was missing is there again.",
    "folder.flapping": "A server gives a folder's ids anew again and again. Nothing is lost; its storage is at fault.",
    "folder.missing": "A watched folder is not there or cannot be opened. The others go on; it is looked for again by itself.",
    "hook.blocked": "A Python hook blocks its event loop at `at`. Others are not delayed; blocking code belongs into a thread.",
    "hook.replaced": "A Python hook did not come back within its timeout; its thread is abandoned and a new one started.",
    "hook.start_failed": "A hook's `start()` failed; it is started again at its next delivery.",
    "hook.stop_failed": "A hook's `stop()` failed or took too long.",
    "hook.stray": "A task that a Python hook left behind failed.",
    "key.generated": "No `listener.key_file` is configured, so a key was made in `file`; it lies beside what it protects.",
    "ledger.full": "Disk full or read-only: nothing is fetched, mail stays on the servers. Make room.",
    "ledger.lost": "The ledger failed or belongs to somebody else now; the process ends (exit 75). See `error`.",
    "ledger.stalled": "The ledger has not answered for `seconds`: storage hangs.",
    "ledger.writable": "The ledger can be written again; fetching goes on.",
    "library.said": "A warning or error of a library, in its own words.",
    "message.filed": "A message joined or opened a case (level debug; `listener explain ENTRY` has it for each message).",
    "message.given_up": "A message could not even be marked as dead; it stays as it is until the next start. Please report it.",
    "message.parked": "Stored messages belong to an account that is not configured; they wait until it is.",
    "message.parse_failed": "Parsing a message crashed or took too long; after three times it is quarantined.",
    "message.parser_fault": "The parser failed on a message in a way we did not foresee; it is quarantined. Please report it.",
    "message.set_aside": "A message was quarantined, ignored or declared dead for `reason`; see `listener explain ENTRY`.",
    "message.unfilable": "A message could not be filed and is dead. `listener retry ENTRY` tries again. Please report it.",
    "reload.applied": "The configuration was read again; these accounts were added, removed or restarted.",
    "reload.failed": "Reading the configuration failed in a way we did not foresee; the old one stays. Please report it.",
    "reload.refused": "The new configuration has faults, so the old one stays in force; one line for each.",
    "reload.restart_needed": "Settings changed that take effect only at the next start.",
    "server.said": "A notice that a mail server has for its users (an ALERT), in its own words.",
    "task.restarted": "A part of the daemon ended that should not; it is begun again. Please report it.",
}
