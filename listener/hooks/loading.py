"""Finds the class that a Python hook's name means, and says plainly what is wrong when there is none to use.

`python:module:Class` names it directly, `python:NAME` by the entry point NAME of the group `listener.hooks`. Importing runs
the author's code, which may do anything: `python.py` calls this on the hook's own thread. Everything that fails is a
ConfigurationError whose fault names the setting.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
import traceback
from types import ModuleType
from typing import Any, NoReturn

from ..errors import ConfigurationError, Fault
from . import Hook
from .outcomes import one_line

GROUP = "listener.hooks"
PREFIX = "python:"


def load(name: str, setting: str) -> type[Hook]:
    """The hook's class. Raises ConfigurationError when it cannot be imported or has no usable `handle`."""
    target = name.removeprefix(PREFIX)
    found = _by_path(target, setting) if ":" in target else _by_entry_point(target, setting)
    if not isinstance(found, type):
        _refuse(setting, f"{name} is a {type(found).__name__}, not a class")
    _check_handle(found, name, setting)
    return found


def hook_fault(name: str) -> str | None:
    """What is wrong with a Python hook, for the check of a configuration: it is imported and made, never started."""
    try:
        make(load(name, ""), name, "")
    except ConfigurationError as error:
        return error.faults[0].reason
    return None


def make(cls: type[Hook], name: str, setting: str) -> Hook:
    """An instance of it. Raises ConfigurationError when its constructor does not succeed without arguments."""
    try:
        return cls()
    except BaseException as error:  # the author's code, which may even call exit
        _refuse(setting, f"{name}() could not be made: {describe(error)}")


def describe(error: BaseException) -> str:
    """An exception of other people's code as one bounded line: type, text, and the innermost place it came from."""
    try:
        text = one_line(str(error))
    except Exception:  # its own __str__ may be broken, too
        text = "(its text cannot be read)"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def _by_path(target: str, setting: str) -> Any:
    module_name, _, class_name = target.partition(":")
    if not module_name or not class_name or ":" in class_name:
        _refuse(setting, f'"{PREFIX}{target}" must read python:module:Class')
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # the author's code, which may even call exit
        _refuse(setting, f"module {module_name} cannot be imported: {describe(error)}")
    found = getattr(module, class_name, None)
    if found is None:
        _refuse(setting, f"module {module_name} has no class {class_name}{_suggestion(class_name, module)}")
    return found


def _by_entry_point(name: str, setting: str) -> Any:
    points = importlib.metadata.entry_points(group=GROUP)
    if name not in points.names:
        known = ", ".join(sorted(points.names)) or "none are installed"
        _refuse(
            setting, f'no entry point "{name}" in the group {GROUP} ({known}); write python:module:Class or install its package'
        )
    try:
        return points[name].load()
    except BaseException as error:  # the author's code, which may even call exit
        _refuse(setting, f"entry point {name} cannot be imported: {describe(error)}")


def _check_handle(cls: type, name: str, setting: str) -> None:
    handle = getattr(cls, "handle", None)
    if handle is None:
        _refuse(setting, f"{name} has no handle; write: async def handle(self, message, case, entry)")
    if not inspect.iscoroutinefunction(inspect.unwrap(handle)) and not inspect.iscoroutinefunction(handle):
        _refuse(setting, f"handle of {name} is not async; write: async def handle(self, message, case, entry)")
    try:
        inspect.signature(handle).bind(None, None, None, None)
    except TypeError:
        _refuse(setting, f"handle of {name} does not take (self, message, case, entry)")
    for optional in ("start", "stop"):
        if hasattr(cls, optional) and not inspect.iscoroutinefunction(getattr(cls, optional)):
            _refuse(setting, f"{optional} of {name} is not async; write: async def {optional}(self)")


def _suggestion(class_name: str, module: ModuleType) -> str:
    near = difflib.get_close_matches(class_name, [n for n, v in vars(module).items() if isinstance(v, type)], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _refuse(setting: str, reason: str) -> NoReturn:
    raise ConfigurationError([Fault(setting, reason)]) from None
