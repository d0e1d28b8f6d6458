"""The type of the user for whom something is read: a member, a visitor, or no request at all."""

from django.contrib.auth.models import AnonymousUser

from accounts.models import User

Viewer = User | AnonymousUser | None
