"""Celery tasks of accounts: e-mails, so that no response waits for a mail server."""

from celery import shared_task
from django.utils.translation import get_language, override

from accounts.pages.forms import PasswordResetEmailForm
from smimso.celery import send_task
from smimso.errors import Unavailable


def request_password_reset(email: str, *, host: str, secure: bool) -> None:
    """Queue the e-mail with a link to set a new password. Raises Unavailable without Redis.

    Takes the same time for unknown addresses, so that it does not reveal who is a member.
    """
    if not send_task(send_password_reset.name, email, host, secure, get_language()):
        raise Unavailable


@shared_task(
    name="accounts.tasks.send_password_letter",  # wire format: the name of queued messages
    ignore_result=True,
    autoretry_for=(OSError,),
    retry_backoff=30,
    max_retries=5,
)
def send_password_reset(email: str, host: str, secure: bool, language: str) -> None:
    """Send the e-mail to every active member with this address; to nobody if there is none."""
    form = PasswordResetEmailForm({"email": email})
    if form.is_valid():
        with override(language):
            form.save(
                domain_override=host,
                use_https=secure,
                subject_template_name="accounts/mail/new_password_subject.txt",
                email_template_name="accounts/mail/new_password.txt",
            )
