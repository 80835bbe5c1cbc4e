"""The shape of a workflow as Mermaid or DOT text, for a README or a picture."""

from collections.abc import Iterator
from typing import NamedTuple

from app.workflows.progress import Step

LABELS = {"link": "on success", "link_error": "on error"}


class Edge(NamedTuple):
    """An arrow between two tasks, or to a point where many of them meet."""

    start: str
    end: str
    label: str


class Graph:
    """The tasks of a planned workflow and the order in which they run."""

    def __init__(self, root: Step) -> None:
        self.nodes: dict[str, str] = {}
        self.edges: list[Edge] = []
        self._add(root)

    def _add(self, step: Step) -> tuple[list[str], list[str]]:
        """Add `step`; returns the nodes at which it begins and those at which it ends."""
        if step.kind == "task":
            return self._add_task(step)
        if step.kind == "chain":
            return self._add_chain(step.children)
        if step.kind == "chord":
            return self._add_chain([Step("group", "group", children=step.header), step.children[-1]])
        ends = [self._add(child) for child in step.children]
        return [node for first, _ in ends for node in first], [node for _, last in ends for node in last]

    def _add_task(self, step: Step) -> tuple[list[str], list[str]]:
        node = self._node(f"{step.name.removeprefix('tasks.')}({', '.join(map(repr, step.args))})")
        for callback in step.children:
            for first in self._add(callback)[0]:
                self.edges.append(Edge(node, first, LABELS[callback.role]))
        return [node], [node]

    def _add_chain(self, steps: list[Step]) -> tuple[list[str], list[str]]:
        begins, ends = self._add(steps[0])
        for step in steps[1:]:
            first, last = self._add(step)
            self.edges += [Edge(end, node, "") for end in self._joined(ends, first) for node in first]
            ends = last
        return begins, ends

    def _joined(self, ends: list[str], first: list[str]) -> list[str]:
        """`ends`, or one point between many ends and many beginnings: else every pair would be an arrow."""
        if len(ends) < 2 or len(first) < 2:
            return ends
        joint = self._node("all")
        self.edges += [Edge(end, joint, "") for end in ends]
        return [joint]

    def _node(self, label: str) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes[name] = label
        return name


def mermaid(root: Step) -> str:
    """`root` as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""

    def lines() -> Iterator[str]:
        graph = Graph(root)
        yield "flowchart LR"
        for node, label in graph.nodes.items():
            quoted = label.replace('"', "#quot;")
            yield f'    {node}["{quoted}"]'
        for edge in graph.edges:
            arrow = f"-. {edge.label} .->" if edge.label else "-->"
            yield f"    {edge.start} {arrow} {edge.end}"

    return "\n".join(lines())


def dot(root: Step, name: str) -> str:
    """`root` as a DOT digraph called `name` (https://graphviz.org/doc/info/lang.html)."""

    def lines() -> Iterator[str]:
        graph = Graph(root)
        yield f'digraph "{name}" {{'
        yield "    rankdir=LR; node [shape=box];"
        for node, label in graph.nodes.items():
            quoted = label.replace("\\", "\\\\").replace('"', '\\"')
            yield f'    {node} [label="{quoted}"];'
        for edge in graph.edges:
            style = f' [label="{edge.label}", style=dashed]' if edge.label else ""
            yield f"    {edge.start} -> {edge.end}{style};"
        yield "}"

    return "\n".join(lines())
