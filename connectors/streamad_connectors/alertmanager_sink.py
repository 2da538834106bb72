"""Alerts kept alive in Alertmanager: their state is sent again and again, as Prometheus does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from streamad.core.data import Alert, ScoreRows
from streamad.core.errors import Backpressure, ConfigError, ConnectorError, Disconnected
from streamad.core.event import alert_document
from streamad_connectors.alertmanager_state import AlertStates, Message, batches
from streamad_connectors.http_post import Credentials, Poster, Refused, origin
from streamad_connectors.options import seconds, secret
from streamad_connectors.refused_alerts import RefusedAlerts

log = logging.getLogger(__name__)

MOST_IN_A_POST = 500
MOST_WAITING = 10_000
"""Label sets that Alertmanager has not heard of; beyond it the stream waits."""
CLOSE_S = 5.0
"""Longest wait of a close for Alertmanager, while that answers."""
JOIN_S = 2.0
_JSON = {"Content-Type": "application/json"}


class AlertmanagerSink:
    """Alerts in every Alertmanager of a list, by its API v2. Scores are not written.

    Parameters
    ----------
    urls : list of str
        Base addresses of all members of the cluster, never of a load balancer.
    dead_letter : str
        File that takes, as JSON lines with the reason, what Alertmanager refuses.
    resend_every : str
        Time between two rounds.
    severities : list of str or None
        Only alerts of these levels; None = all.
    generator_url : str or None
        Link back; ``{id}`` stands for the id of the alert.
    token, token_file : str or None
        Bearer token.
    username, password, password_file : str or None
        Basic authentication.
    ca_file : str or None
        Certificates that are trusted instead of those of the system.
    timeout : str
        For connecting, and for each part of an answer.
    longest_wait : str
        Before the next attempt when nobody answers.

    Raises
    ------
    ConfigError
        An option that cannot be used.
    Backpressure
        From ``write``, when too many alerts wait for their first delivery.

    Notes
    -----
    An open alert is sent in every round with an end four rounds ahead, a resolved one for 15
    minutes; so a restarted Alertmanager knows everything after one round. An alert is delivered
    when one member took it: the others get it from that one, or in the next round. The position in
    a checkpoint holds all of this, so it is the spool of this sink, and a restart or another owner
    of the partition goes on. A batch that is refused is halved until the bad alert is alone; that
    one is put aside and never sent again. Suppressed alerts are not sent. A thread of the sink
    sends; thread rule for its methods: one thread at a time.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        urls: list[str],
        dead_letter: str,
        resend_every: str = "1m",
        severities: list[str] | None = None,
        generator_url: str | None = None,
        token: str | None = None,
        token_file: str | None = None,
        username: str | None = None,
        password: str | None = None,
        password_file: str | None = None,
        ca_file: str | None = None,
        timeout: str = "10s",
        longest_wait: str = "5s",
    ) -> None:
        if not urls:
            raise ConfigError("urls must name at least one Alertmanager, the list is empty")
        if generator_url is not None:
            origin(generator_url)
        credentials = Credentials(
            secret("token", token, token_file),
            username,
            secret("password", password, password_file),
        )
        self._posters = [
            Poster(
                f"{url.rstrip('/')}/api/v2/alerts",
                timeout_s=seconds("timeout", timeout),
                credentials=credentials,
                ca_file=ca_file,
            )
            for url in urls
        ]
        self._severities = severities
        self._longest_wait_s = seconds("longest_wait", longest_wait)
        self._resend_s = seconds("resend_every", resend_every)
        self._states = AlertStates(self._resend_s, generator_url)
        self._refused = RefusedAlerts(dead_letter)
        self._delivered = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._outage: ConnectorError | None = None
        self._failure: ConnectorError | None = None
        self._closing = False

    @property
    def counts(self) -> Mapping[str, int]:
        """Label sets sent by this process, ``dead_lettered`` ones, and those ``waiting``."""
        with self._changed:
            return {
                "delivered": self._delivered,
                "dead_lettered": self._refused.n,
                "waiting": self._states.n_fresh(),
            }

    def check(self) -> None:
        """Return if every member takes alerts: each is sent none of them.

        Raises
        ------
        ConnectorError
            If one does not answer, or refuses us.
        """
        for poster in self._posters:
            poster.post(b"[]", _JSON)

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Go on with the alerts of a checkpoint; they are sent at once."""
        with self._changed:
            self._states.restore(partition, position)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="alertmanager", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Take alerts and send them soon."""
        chosen = [alert_document(alert) for alert in alerts if self._wanted(alert)]
        if not chosen:
            return
        with self._changed:
            self._raise_failure()
            if self._states.n_fresh() >= MOST_WAITING:
                raise Backpressure(
                    f"{self._states.n_fresh()} alerts wait for Alertmanager: "
                    f"{self._outage or 'it is too slow'}",
                    1.0,
                )
            now_s = time.time()
            for document in chosen:
                self._states.take(partition, document, now_s)
            self._changed.notify_all()

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Return with all alerts that stand: they are safe in the checkpoint, delivered or not."""
        with self._changed:
            self._raise_failure()
            return self._states.position(partition)

    def drop(self, partition: str) -> None:
        """Send nothing more of this partition."""
        with self._changed:
            self._states.forget(partition)

    def finish(self, partition: str) -> None:
        """Nothing to complete: what is open ends four rounds after the last one."""

    def close(self) -> None:
        """Stop sending, after what is new if somebody answers.

        The next process goes on from the checkpoint.
        """
        with self._changed:
            if self._thread is not None:
                self._changed.wait_for(
                    lambda: (
                        self._closing or self._outage or self._failure or not self._states.n_fresh()
                    ),
                    CLOSE_S,
                )
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        for poster in self._posters:
            poster.close()

    def _wanted(self, alert: Alert) -> bool:
        known = self._severities is None or alert.severity in self._severities
        return known and alert.suppressed is None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            while not self._closing:
                wait_s = self._round()
                with self._changed:
                    self._changed.wait_for(lambda: self._closing or self._news(), wait_s)
        except Exception as error:  # noqa: BLE001  (a dead thread must not go unnoticed)
            with self._changed:
                self._failure = ConnectorError(f"delivery to Alertmanager broke: {error!r}")
                self._failure.__cause__ = error
                self._changed.notify_all()

    def _news(self) -> bool:
        return self._outage is None and self._states.n_fresh() > 0

    def _round(self) -> float:
        """Send what is due; how long to wait before the next round, if nothing happens."""
        with self._changed:
            messages = self._states.due(time.time(), time.monotonic())
        fault: ConnectorError | None = None
        for batch in batches(messages, MOST_IN_A_POST):
            try:
                self._send(batch)
            except (Disconnected, Backpressure) as error:
                fault = error
                break
        if messages:
            with self._changed:
                self._note(fault)
        if fault is None:
            return min(1.0, self._resend_s / 4)
        return fault.retry_after_s if isinstance(fault, Backpressure) else self._longest_wait_s

    def _note(self, error: ConnectorError | None) -> None:
        if error is not None and self._outage is None:
            log.warning("%s; alerts wait until it works again", error)
        elif error is None and self._outage is not None:
            log.info("Alertmanager answers again")
        self._outage = error
        self._changed.notify_all()

    def _send(self, batch: Sequence[Message]) -> None:
        """Send a batch to every member; one that takes it is enough."""
        answered: list[Poster] = []
        silent: dict[Poster, ConnectorError] = {}
        refused: dict[int, str] = {}
        for poster in self._posters:
            try:
                refused |= self._post(poster, batch, 0)
            except (Disconnected, Backpressure) as error:
                silent[poster] = error
            else:
                answered.append(poster)
        if not answered:
            raise next(iter(silent.values()))
        for fault in silent.values():
            log.warning("%s; it gets the alerts in a later round", fault)
        self._posters = [*answered, *silent]
        for number, detail in refused.items():
            self._put_aside(batch[number], detail)
        good = [message for number, message in enumerate(batch) if number not in refused]
        with self._changed:
            self._states.remove(batch[number] for number in refused)
            self._states.sent(good, time.monotonic())
            self._delivered += len(good)

    def _post(self, poster: Poster, batch: Sequence[Message], first: int) -> dict[int, str]:
        """Send a batch to one member; the numbers of what it refuses, found by halving, and why."""
        body = orjson.dumps([message.body for message in batch])
        try:
            poster.post(body, _JSON)
        except Refused as error:
            if len(batch) == 1:
                return {first: str(error)}
            half = len(batch) // 2
            found = self._post(poster, batch[:half], first)
            return found | self._post(poster, batch[half:], first + half)
        return {}

    def _put_aside(self, message: Message, detail: str) -> None:
        document = {"id": message.standing.alert_id, **message.body}
        self._refused.keep(document, "refused", detail)
        log.error("alert %s is put aside: %s", message.standing.alert_id, detail)
