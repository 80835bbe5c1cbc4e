"""The shape of a workflow as text that other programs draw."""

import pytest

from app.workflows.catalogue import WORKFLOWS
from app.workflows.graph import Graph, dot, mermaid
from app.workflows.progress import plan


@pytest.mark.parametrize(
    ("name", "nodes", "edges"),
    [("delay", 1, 0), ("group", 10, 0), ("chain", 2, 1), ("chord", 11, 10), ("link_error", 2, 1), ("nested", 7, 7)],
)
def test_each_task_is_a_node_and_each_dependency_an_arrow(name: str, nodes: int, edges: int) -> None:
    """Ten tasks that one waits for give ten arrows; tasks of a group give none among themselves."""
    graph = Graph(plan(WORKFLOWS[name].build()))
    assert (len(graph.nodes), len(graph.edges)) == (nodes, edges)


def test_a_chain_as_mermaid() -> None:
    """The text that GitHub draws."""
    assert mermaid(plan(WORKFLOWS["chain"].build())) == (
        'flowchart LR\n    n0["arithmetic.add(4, 4)"]\n    n1["arithmetic.mul(8)"]\n    n0 --> n1'
    )


def test_a_callback_as_dot_is_dashed_and_quotes_are_escaped() -> None:
    """Strings among the arguments do not break the text."""
    text = dot(plan(WORKFLOWS["link"].build()), "link")
    assert 'n0 -> n1 [label="on success", style=dashed];' in text
    assert text.startswith('digraph "link" {')
    assert text.endswith("}")
