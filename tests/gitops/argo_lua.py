"""Argo CD's Lua sandbox: Lua 5.1 with the base and table libraries, and two functions of os.

An object goes in as the global ``obj``; what a script returns comes out as JSON would. As in Argo
CD, an empty table that was an object before is an object again, and an action is carried out as
the merge patch from the object to what the script returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lupa.lua51 import LuaRuntime

# Not in the sandbox of Argo CD, unless somebody turns useOpenLibs on.
_CLOSED = ("string", "math", "io", "debug", "os", "coroutine", "python", "dofile", "loadfile")
_SANDBOX = """
local time, date, closed = os.time, os.date, ...
for _, name in ipairs(closed) do _G[name] = nil end
require = function(name)
  if name ~= "os" then error("module " .. name .. " not found") end
  return {time = time, date = date}
end
"""


def run(script: str, found: Mapping[str, Any]) -> Any:
    """Return what ``script`` returns for the object."""
    lua = LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    # The metatable of strings would still lead to the string library.
    lua.execute('getmetatable("").__index = nil')
    lua.compile(_SANDBOX)(lua.table_from(_CLOSED))
    lua.globals().obj = _to_lua(lua, found)
    return _from_lua(lua.execute(script))


def patch_of(script: str, found: Mapping[str, Any]) -> Any:
    """Return the merge patch by which Argo CD carries out an action."""
    return merge_patch(found, _cleaned(run(script, found), found))


def merge_patch(old: Any, new: Any) -> Any:
    """Return the JSON merge patch (RFC 7386) from ``old`` to ``new``; empty if equal."""
    changed = {
        key: merge_patch(old[key], value) if _both(old.get(key), value, Mapping) else value
        for key, value in new.items()
        if old.get(key) != value
    }
    return changed | {key: None for key in old if key not in new}


def _to_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        items = {key: _to_lua(lua, item) for key, item in value.items() if item is not None}
        return lua.table_from(items)
    if isinstance(value, (list, tuple)):
        return lua.table_from([_to_lua(lua, item) for item in value])
    return value


def _from_lua(value: Any) -> Any:
    if not hasattr(value, "items"):
        return value
    items = dict(value.items())
    if all(isinstance(key, int) for key in items):  # an empty table, too, is a list
        return [_from_lua(items[key]) for key in sorted(items)]
    return {key: _from_lua(item) for key, item in items.items()}


def _cleaned(new: Any, old: Any) -> Any:
    if new == [] and isinstance(old, Mapping):
        return dict(old)
    if _both(old, new, Mapping):
        return {k: _cleaned(v, old[k]) if k in old else v for k, v in new.items()}
    if _both(old, new, Sequence) and not isinstance(new, str) and len(old) == len(new):
        return [_cleaned(each, before) for each, before in zip(new, old, strict=True)]
    return new


def _both(old: Any, new: Any, kind: type) -> bool:
    return isinstance(old, kind) and isinstance(new, kind)
