"""What each AI worker publishes about itself in Redis, so that the web knows without asking.

A worker's key lives TTL seconds and is written again every INTERVAL: who stops, vanishes.
"""

import json
from dataclasses import asdict, dataclass

from smimso.redis import redis_client

INTERVAL, TTL = 5.0, 20  # seconds
_NAMES = "smimso:ai:workers"  # a set of names; Redis has no cheap search for keys
_KEY = "smimso:ai:worker:{}"


@dataclass(frozen=True)
class ModelState:
    """`error`: why the model is not loaded, None while it is or is being loaded."""

    name: str
    loaded: bool
    error: str | None = None


@dataclass(frozen=True)
class WorkerState:
    """device: "cpu" or "cuda". dtype: "fp32", "bf16", "fp16" or "int8". queues: those consumed.

    device and dtype are empty where the settings are such that nothing can be loaded.
    clip: of the space that is searched. others: CLIP models of spaces kept beside it.
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
        pipeline.sadd(_NAMES, state.name)
        pipeline.set(_KEY.format(state.name), json.dumps(asdict(state)), ex=TTL)
        pipeline.execute()


def withdraw(name: str) -> None:
    """Forget a worker that stops. Raises redis.RedisError."""
    redis_client().delete(_KEY.format(name))
    redis_client().srem(_NAMES, name)


def live_workers() -> list[WorkerState]:
    """The states of the workers that are alive. Raises redis.RedisError."""
    client = redis_client()
    names = sorted(name.decode() for name in client.smembers(_NAMES))
    if not names:
        return []
    states = dict(zip(names, client.mget([_KEY.format(name) for name in names]), strict=True))
    gone = [name for name, state in states.items() if state is None]
    if gone:
        client.srem(_NAMES, *gone)  # one that is alive after all adds itself again
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
