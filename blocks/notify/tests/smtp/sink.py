"""A mail server for tests: prints every mail it took as one line of JSON.

Refuses recipients named `gone@…` for good and `later@…` for now. Needs aiosmtpd (Debian:
python3-aiosmtpd). Usage: sink.py PORT
"""

import email
import email.policy
import json
import sys
import threading

from aiosmtpd.controller import Controller


class Sink:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@"):
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        taken = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "from": mail["from"],
            "subject": mail["subject"],
            "id": mail["message-id"],
            "body": mail.get_content(),
        }
        print(json.dumps(taken), flush=True)
        return "250 OK"


controller = Controller(Sink(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
print("ready", flush=True)
threading.Event().wait()
