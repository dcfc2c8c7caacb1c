"""Messengers' plugins that do one thing wrong each."""

# ruff: noqa: ARG002 - faults ignore their arguments

from __future__ import annotations

import json
import logging
import secrets as random_secrets
import time
from typing import Any, ClassVar

import attrs

from mpm_core import (
    CallContext,
    Heartbeat,
    InboundCall,
    Message,
    MessageReceipt,
    MessageStatus,
    NotSent,
    OutcomeUnknown,
    PluginRuntime,
    ProviderRequest,
    Refused,
    Reply,
    Verdict,
    hookimpl,
)
from tests.kit.acme_sms import AcmeSms, AcmeSmsSettings

_log = logging.getLogger(__name__)


class CutsTexts(AcmeSms):
    def fields(self, message: Message) -> dict[str, object]:
        return super().fields(message) | {"text": message.body[:160]}


class PlainLetters(AcmeSms):
    def fields(self, message: Message) -> dict[str, object]:
        text = message.body.encode("ascii", "replace").decode()
        return super().fields(message) | {"text": text}


class SendsTwice(AcmeSms):
    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        self.post("messages", self.fields(message), context)
        return super().mpm_send_message(message, context)


class FailedIsAReceipt(AcmeSms):
    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=number, status=MessageStatus.FAILED)


class NoSegments(AcmeSms):
    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=number, segments=0)


class LongReference(AcmeSms):
    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=number.ljust(129, "0"))


class ReferenceOfTwoLines(AcmeSms):
    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=f"{number}\n")


class CostAsNumber(AcmeSms):
    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=number, cost=0.8)  # type: ignore[arg-type]  # the fault


class CostAsSentence(AcmeSms):
    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=number, cost="less than a shilling for each SMS")


class NewKeyEachTime(AcmeSms):
    def fields(self, message: Message) -> dict[str, object]:
        return super().fields(message) | {"key": random_secrets.token_hex(4)}


class SilenceIsNotSent(AcmeSms):
    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        try:
            return super().mpm_send_message(message, context)
        except OutcomeUnknown as error:
            raise NotSent("no answer") from error


class ErrorsAreRefusals(AcmeSms):
    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        try:
            return super().mpm_send_message(message, context)
        except OutcomeUnknown as error:
            raise Refused("an error") from error


class TrustsTheGateway(AcmeSms):
    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        self.post("messages", self.fields(message), context)
        return MessageReceipt()


class TriesAgain(AcmeSms):
    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        try:
            return super().mpm_send_message(message, context)
        except OutcomeUnknown:
            return super().mpm_send_message(message, context)


class DoubtsTheLogin(AcmeSms):
    def post(self, path: str, fields: Any, context: CallContext) -> Any:
        try:
            return super().post(path, fields, context)
        except NotSent:
            raise
        except Exception as error:  # the fault
            raise OutcomeUnknown("who knows") from error


class SharesItsGateway(AcmeSms):
    first: ClassVar[list[Any]] = []

    def __init__(self, settings: AcmeSmsSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self.first.append((self._settings, self._http))
        self._settings, self._http = self.first[0]
        if len(self.first) >= 2:
            self.first.clear()


class KeepsTheMessageInSelf(AcmeSms):
    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        self._message = message
        time.sleep(0.02)
        return super().mpm_send_message(self._message, context)


class LogsTheMessage(AcmeSms):
    def fields(self, message: Message) -> dict[str, object]:
        _log.info("sending %s", message.body)
        return super().fields(message)


class LogsThePhone(AcmeSms):
    def fields(self, message: Message) -> dict[str, object]:
        _log.info("sending to %s", message.to.e164)
        return super().fields(message)


class TrustsReports(AcmeSms):
    @hookimpl
    def mpm_read_call(self, call: InboundCall) -> ProviderRequest:
        return Heartbeat(details={"id": json.loads(call.body)["id"]})


class RandomReplies(AcmeSms):
    @hookimpl
    def mpm_write_reply(self, call: InboundCall, verdict: Verdict) -> Reply:
        body = random_secrets.token_bytes(4)
        return Reply(content_type="application/octet-stream", body=body)


class DoesNotSayThrottled(AcmeSms):
    manifest = attrs.evolve(AcmeSms.manifest)

    def post(self, path: str, fields: Any, context: CallContext) -> Any:
        try:
            return super().post(path, fields, context)
        except NotSent as error:
            raise NotSent(str(error)) from error
