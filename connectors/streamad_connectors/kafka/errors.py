"""What kafka-python raises, in our words: what came, and what to do."""

from __future__ import annotations

from kafka import errors as kafka_errors

from streamad.core.errors import ConfigError, ConnectorError, DecodeError, Disconnected, Refused

_WRONG_SETTINGS = (
    kafka_errors.KafkaConfigurationError,
    kafka_errors.IllegalArgumentError,
    kafka_errors.InvalidTopicError,
    kafka_errors.InvalidGroupIdError,
    kafka_errors.InvalidSessionTimeoutError,
    kafka_errors.InvalidTransactionTimeoutError,
    kafka_errors.InvalidRequiredAcksError,
    kafka_errors.InvalidCommitOffsetSizeError,
    kafka_errors.OffsetMetadataTooLargeError,
    kafka_errors.InconsistentGroupProtocolError,
    kafka_errors.UnsupportedAssignorError,
    kafka_errors.InvalidPartitionsError,
    kafka_errors.InvalidReplicationFactorError,
    kafka_errors.InvalidReplicationAssignmentError,
    kafka_errors.InvalidConfigurationError,
)
_UNREADABLE = (
    kafka_errors.CorruptRecordError,
    kafka_errors.UnsupportedCodecError,
    kafka_errors.UnsupportedCompressionTypeError,
    kafka_errors.InvalidReceiveError,
)
_AWAY = (
    kafka_errors.RetriableError,
    kafka_errors.UnknownBrokerIdError,
    kafka_errors.BrokerNotAvailableError,
)
_RIGHTS = {
    kafka_errors.TopicAuthorizationFailedError: (
        "no right to use the topic: the user needs an ACL that allows READ on it (WRITE to produce)"
    ),
    kafka_errors.GroupAuthorizationFailedError: (
        "no right to use the consumer group: the user needs an ACL that allows READ on it"
    ),
    kafka_errors.ClusterAuthorizationFailedError: (
        "no right on the cluster: the user needs an ACL that allows the operation on it"
    ),
    kafka_errors.TransactionalIdAuthorizationFailedError: (
        "no right to use the transactional id: the user needs an ACL that allows WRITE on it"
    ),
    kafka_errors.DelegationTokenAuthorizationFailedError: "no right to use the delegation token",
}
_HINTS: dict[type[Exception], str] = _RIGHTS | {
    kafka_errors.SaslAuthenticationFailedError: (
        "the broker refused the credentials: check security.username and the password, or the "
        "token in security.token_file"
    ),
    kafka_errors.UnsupportedSaslMechanismError: (
        "the broker does not offer this SASL mechanism: check security.mechanism"
    ),
    kafka_errors.FencedInstanceIdError: (
        "another process joined the group with the same instance_id: give each process its own"
    ),
    kafka_errors.UnreleasedInstanceIdError: (
        "another process holds the instance_id: give each process its own"
    ),
    kafka_errors.ProducerFencedError: (
        "another process writes with the same transactional id: this one must stop"
    ),
    kafka_errors.InvalidProducerEpochError: (
        "another process writes with the same transactional id: this one must stop"
    ),
    kafka_errors.GroupMaxSizeReachedError: "the group has as many members as the broker allows",
    kafka_errors.InvalidSessionTimeoutError: (
        "the broker does not allow this session_timeout: see its settings "
        "group.min.session.timeout.ms and group.max.session.timeout.ms"
    ),
    kafka_errors.InconsistentGroupProtocolError: (
        "other members of the group use another assignor: give all the same"
    ),
    kafka_errors.UnsupportedCodecError: (
        "the records are compressed in a way that needs a package: "
        "pip install 'streamad-engine[kafka]'"
    ),
    kafka_errors.CorruptRecordError: "a record is damaged (its checksum is wrong)",
    kafka_errors.LogTruncationError: (
        "the log is shorter than before: records that were read are gone (an unclean leader "
        "election, or the topic was made again); move the snapshots away and set state.on_lost: "
        "rebuild"
    ),
}

LOST_RIGHTS = (
    *_RIGHTS,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
)
"""Refusals that whoever manages the broker can take back while we run."""


def is_passing(error: BaseException) -> bool:
    """True if the same call may succeed later without anybody changing anything.

    A request of a transaction that timed out comes as a bare KafkaError that names the reason.
    """
    if type(error) is kafka_errors.KafkaError:
        return kafka_errors.RequestTimedOutError.__name__ in str(error)
    return isinstance(error, _AWAY)


def translate(error: BaseException, doing: str) -> ConnectorError | ConfigError:
    """An error of the client as one of ours.

    Parameters
    ----------
    error : BaseException
        Of kafka-python; others are told as they are.
    doing : str
        What was tried, as the beginning of the message.

    Returns
    -------
    ConnectorError or ConfigError
        :class:`.Disconnected` where trying again is sensible, :class:`.DecodeError` for data that
        cannot be read, ConfigError for settings that cannot work.
    """
    hint = next((_HINTS[kind] for kind in type(error).__mro__ if kind in _HINTS), None)
    told = f"{doing}: {hint} ({said(error)})" if hint else f"{doing}: {said(error)}"
    if isinstance(error, _WRONG_SETTINGS):
        return ConfigError(told)
    if isinstance(error, _UNREADABLE):
        return DecodeError(told)
    if is_passing(error):
        return Disconnected(f"{told}; the broker may be back later")
    return Refused(told)


def said(error: BaseException) -> str:
    r"""Name and words of an error, in one line.

    Examples
    --------
    >>> said(ValueError("a\nb")), said(KeyError())
    ('ValueError: a b', 'KeyError')
    """
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
