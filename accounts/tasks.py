"""Celery's interface to accounts: letters, so that no answer waits for a mail server."""

from celery import shared_task
from django.utils.translation import get_language, override

from accounts.pages.forms import PasswordResetEmailForm
from smimso.celery import send_task
from smimso.errors import Unavailable


def request_password_reset(email: str, *, host: str, secure: bool) -> None:
    """Takes as long for an unknown e-mail as for a member's. Raises Unavailable without Redis."""
    if not send_task(send_password_reset.name, email, host, secure, get_language()):
        raise Unavailable


@shared_task(
    name="accounts.tasks.send_password_letter",
    ignore_result=True,
    autoretry_for=(OSError,),
    retry_backoff=30,
    max_retries=5,
)
def send_password_reset(email: str, host: str, secure: bool, language: str) -> None:
    """Nothing happens when nobody can be reached at the e-mail."""
    form = PasswordResetEmailForm({"email": email})
    if form.is_valid():
        with override(language):
            form.save(
                domain_override=host,
                use_https=secure,
                subject_template_name="accounts/mail/new_password_subject.txt",
                email_template_name="accounts/mail/new_password.txt",
            )
