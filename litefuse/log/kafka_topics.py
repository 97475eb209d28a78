"""Topics of the log in Kafka: made at start when missing, and how large a message each takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from litefuse.errors import ConfigError, LogUnavailable
from litefuse.log.base import DEAD
from litefuse.settings import Settings
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.log.kafka")

#: Answers to CreateTopics that no waiting will change.
_WRONG = ("InvalidPartitionsError", "InvalidConfigurationError", "InvalidTopicError", "PolicyViolationError")
#: With so many replicas two of them have to have a record before it is acknowledged: `acks=all` means all that are in
#: sync, which is one when the others are behind.
_SAFE_REPLICAS = 3
_DEAD_EXTRA_BYTES = 1 << 20


async def ensure(admin: AIOKafkaAdminClient, settings: Settings, topics: Iterable[str]) -> None:
    """Make the topics that are missing. Raises ConfigError, LogUnavailable, KafkaError."""
    missing = sorted(set(topics) - set(await admin.list_topics()))
    if not missing:
        return
    replicas = settings.kafka_replication
    if replicas < 0:
        replicas = await _default_replicas(admin)
    try:
        answer = await admin.create_topics([_new(name, settings, replicas) for name in missing])
    except AttributeError as error:  # aiokafka's way to say that the cluster has no controller yet
        raise LogUnavailable("the Kafka cluster has no controller now") from error
    for name, code, *text in answer.topic_errors:
        kind = for_code(code)
        why = f"cannot make the topic {name} (kafka_partitions={settings.kafka_partitions}, kafka_replication={replicas}): "
        why += f"{kind.__name__} {text[0] if text and text[0] else ''}".strip()
        if kind.__name__ in _WRONG:
            raise ConfigError(why)
        if code and kind is not TopicAlreadyExistsError:  # another process was faster
            raise LogUnavailable(why)  # also too few brokers: the others may be starting
        if not code:
            event(
                logger, logging.INFO, "topic made", topic=name, partitions=settings.kafka_partitions, replicas=replicas
            )


def _new(name: str, settings: Settings, replicas: int) -> NewTopic:
    configs = {
        "max.message.bytes": str(limit(name, settings)),
        # The log's own time of arrival; a client's clock is refused when it is an hour ahead.
        "message.timestamp.type": "LogAppendTime",
    }
    if replicas >= _SAFE_REPLICAS:
        configs["min.insync.replicas"] = "2"
    if name == DEAD:
        configs["retention.ms"] = "-1"  # a person decides about them, not a week
    return NewTopic(name, settings.kafka_partitions, replicas, topic_configs=configs)


def limit(topic: str, settings: Settings) -> int:
    """Bytes of the largest message that we send there. A dead letter is its record with more headers: it has to fit when
    the record is as large as may be, else a record that cannot be kept could not be put away either."""
    return settings.kafka_max_message_bytes + (_DEAD_EXTRA_BYTES if topic == DEAD else 0)


async def _default_replicas(admin: AIOKafkaAdminClient) -> int:
    """The broker's default. The protocol has a word for it (-1), but not in the version that aiokafka speaks."""
    brokers = (await admin.describe_cluster())["brokers"]
    if not brokers:
        raise LogUnavailable("the Kafka cluster names no broker")
    number = str(brokers[0]["node_id"])
    found = await _configs(admin, ConfigResourceType.BROKER, [number], "default.replication.factor")
    return int(found.get(number, 1))


async def message_limits(admin: AIOKafkaAdminClient, settings: Settings, topics: Iterable[str]) -> Mapping[str, int]:
    """Bytes of the largest message that each topic takes from us: its own limit and ours, the lower one; ours where the
    broker will not say."""
    names = list(topics)
    found = await _configs(admin, ConfigResourceType.TOPIC, names, "max.message.bytes")
    return {name: min(found.get(name, ours), ours) for name in names for ours in [limit(name, settings)]}


async def _configs(admin: AIOKafkaAdminClient, kind: ConfigResourceType, names: list[str], key: str) -> dict[str, int]:
    answers = await admin.describe_configs([ConfigResource(kind, name, {key: None}) for name in names])
    found: dict[str, int] = {}
    for answer in answers:
        for _, _, _, name, entries in answer.resources:  # with an error code, such as a missing permission: no entries
            found.update((name, int(entry[1])) for entry in entries if entry[0] == key and entry[1])
    return found
