"""Prints component/argocd-cm.yaml: the Lua files beside it, as Argo CD's ConfigMap holds them."""

from __future__ import annotations

from pathlib import Path

GROUP = "translation.kubeflow.org"
LUA = Path(__file__).parent / "lua"
HEAD = """# How Argo CD judges and acts on our kinds. Made from ../lua by `make docs`.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
data:
"""


def config_map() -> str:
    """Return the patch of the ConfigMap ``argocd-cm``."""
    return HEAD + "".join(_kind(folder) for folder in sorted(LUA.iterdir()))


def _kind(folder: Path) -> str:
    health = _text(folder / "health.lua", 4)
    discovery = _text(folder / "actions" / "discovery.lua", 6)
    scripts = sorted(each for each in (folder / "actions").iterdir() if each.stem != "discovery")
    definitions = "".join(
        f"    - name: {script.stem}\n      action.lua: |\n{_text(script, 8)}" for script in scripts
    )
    return (
        f"  resource.customizations.health.{GROUP}_{folder.name}: |\n{health}"
        f"  resource.customizations.actions.{GROUP}_{folder.name}: |\n"
        f"    discovery.lua: |\n{discovery}"
        f"    definitions:\n{definitions}"
    )


def _text(script: Path, indent: int) -> str:
    lines = script.read_text(encoding="utf-8").splitlines()
    return "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    print(config_map(), end="")
