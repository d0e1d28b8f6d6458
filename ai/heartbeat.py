"""The state of each AI worker in Redis, so that web processes need not ask the workers.

A worker's key expires after TTL seconds and is written every INTERVAL: a worker that stops
disappears.
"""

import json
from dataclasses import asdict, dataclass

from smimso.redis import redis_client

INTERVAL, TTL = 5.0, 20  # seconds
WORKERS_KEY = "smimso:ai:workers"  # a set of worker names; Redis has no cheap search for keys
STATE_KEY = "smimso:ai:worker:{}"


@dataclass(frozen=True)
class ModelState:
    """error: the reason why the model is not loaded; None if it is loaded or being loaded."""

    name: str
    loaded: bool
    error: str | None = None


@dataclass(frozen=True)
class WorkerState:
    """device: "cpu" or "cuda". dtype: "fp32", "bf16", "fp16" or "int8". queues: those consumed.

    device and dtype are empty if the settings allow no engine. clip: the model of the searched
    space. others: CLIP models of further spaces that the collection has vectors in.
    """

    name: str
    queues: tuple[str, ...]
    device: str
    dtype: str
    clip: ModelState
    blip: ModelState
    others: tuple[ModelState, ...] = ()

    def has_clip(self, name: str) -> bool:
        return ModelState(name, loaded=True) in (self.clip, *self.others)


def publish(state: WorkerState) -> None:
    """Write or refresh a worker's state. Raises redis.RedisError."""
    with redis_client().pipeline(transaction=False) as pipeline:
        pipeline.sadd(WORKERS_KEY, state.name)
        pipeline.set(STATE_KEY.format(state.name), json.dumps(asdict(state)), ex=TTL)
        pipeline.execute()


def withdraw(name: str) -> None:
    """Remove the state of a worker that stops. Raises redis.RedisError."""
    redis_client().delete(STATE_KEY.format(name))
    redis_client().srem(WORKERS_KEY, name)


def live_workers() -> list[WorkerState]:
    """Return the states of the live workers. Raises redis.RedisError."""
    client = redis_client()
    names = sorted(name.decode() for name in client.smembers(WORKERS_KEY))
    if not names:
        return []
    states = dict(zip(names, client.mget([STATE_KEY.format(name) for name in names]), strict=True))
    expired = [name for name, state in states.items() if state is None]
    if expired:
        client.srem(WORKERS_KEY, *expired)  # one that is alive after all adds itself again
    return [_parse(state) for state in states.values() if state is not None]


def _parse(text: bytes) -> WorkerState:
    fields = json.loads(text)
    return WorkerState(
        **{
            **fields,
            "queues": tuple(fields["queues"]),
            "clip": ModelState(**fields["clip"]),
            "blip": ModelState(**fields["blip"]),
            "others": tuple(ModelState(**other) for other in fields["others"]),
        }
    )
