"""Every kind of fault by its name."""

from tests.crash.faults import Fault, processes, stores, tasks


def catalogue() -> dict[str, Fault]:
    """Name to fault, new ones each time: they remember their last victim."""
    found: list[Fault] = [*processes.kinds(), *stores.kinds(), *tasks.kinds()]
    return {fault.name: fault for fault in found}


def chosen(names: str) -> dict[str, Fault]:
    """The kinds of a comma-separated list, `kill-*` for those that begin so; raises ValueError for an unknown one."""
    everything = catalogue()
    found: dict[str, Fault] = {}
    for name in filter(None, names.split(",")):
        matching = {k: v for k, v in everything.items() if k == name or (name[-1:] == "*" and k.startswith(name[:-1]))}
        if not matching:
            raise ValueError(f"no kind of fault {name}; there are {', '.join(everything)}")
        found |= matching
    return found or everything
