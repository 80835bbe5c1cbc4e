"""A cluster of three nodes, one of which is lost."""

from tests.faults.cluster import Cluster
from tests.faults.finding import Finding, Row
from tests.faults.scene import QUEUE, Scene
from tests.waiting import wait_until

TASKS = 300
FAILOVER_SECONDS = 60.0
"""Within this a worker has found another node."""


def leader_killed(scene: Scene) -> Finding:
    """The node that leads the queue is killed in the middle of a run, and stays away."""
    with Cluster(scene.folder / "cluster") as cluster:
        scene.use_broker(cluster.url)
        scene.worker()
        keys = scene.send_work(TASKS, 0.02)
        members = cluster.members_of(QUEUE)
        scene.wait_for_effects(TASKS // 3)
        wait_until(lambda: cluster.leader_of(QUEUE), 30, "the queue has a leader")
        cluster.leader_of(QUEUE).kill()
        found = scene.settle(keys, quiet=FAILOVER_SECONDS)
        scene.end_programs()
    return Finding(found.ok and members == 3, f"{found.text} ({members} members)", found.figures)


ROWS = (
    Row(
        "cluster",
        "a RabbitMQ cluster of three nodes, the queue's leader killed -9 in mid-run",
        "0 lost, 0 doubled",
        leader_killed,
        stock=False,
    ),
)
