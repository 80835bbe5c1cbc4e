"""The experiment with calls: a request names the queue for its answer."""

from app.experiments.stage import Stage


async def calls(stage: Stage) -> None:
    """A caller asks a server in another process, and gets the answer, or the error that the server failed with."""
    await stage.enter("rpc-serve --name server")
    await stage.play("rpc-call 30 --name caller")
    await stage.play("rpc-call -1 --name 'wrong caller'", fails=True)
