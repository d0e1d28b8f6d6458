"""REST: register, log in, the own account, change the password."""

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from accounts.models import User
from accounts.rest.requests import MemberRequest
from accounts.rest.serializers import (
    GoogleLoginSerializer,
    GoogleSessionSerializer,
    LoginSerializer,
    NewPasswordSerializer,
    OwnUserSerializer,
    RegistrationSerializer,
    SessionSerializer,
    TokenSerializer,
)
from smimso.errors import InvalidInput
from smimso.web.auth import issue_token
from smimso.web.openapi import documented
from smimso.web.responses import success
from smimso.web.throttling import AccountThrottle, SharedScopeThrottle


class PublicView(APIView):
    """Needs no token, and ignores one that has expired."""

    permission_classes = [AllowAny]
    authentication_classes = []


class RegisterView(PublicView):
    throttle_scope = "register"

    @documented("Register", SessionSerializer, body=RegistrationSerializer, status=201)
    def post(self, request: Request) -> Response:
        form = RegistrationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = services.register_user(**form.validated_data)
        return success(_session(user), "Registration successful", status=201)


class LoginView(PublicView):
    throttle_classes = [SharedScopeThrottle, AccountThrottle]
    throttle_scope = "login"

    @documented("Log in", SessionSerializer, body=LoginSerializer, errors=[401])
    def post(self, request: Request) -> Response:
        form = LoginSerializer(data=request.data)
        if not form.is_valid():
            raise InvalidInput("login_incomplete")
        user = services.authenticate_user(**form.validated_data)
        return success(_session(user), "Login successful")


class GoogleLoginView(PublicView):
    throttle_scope = "login"

    @documented(
        "Log in with Google", GoogleSessionSerializer, body=GoogleLoginSerializer, errors=[401, 501]
    )
    def post(self, request: Request) -> Response:
        form = GoogleLoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user, is_new = services.log_in_with_google(**form.validated_data)
        return success({**_session(user), "isNewUser": is_new}, "Google login successful")


class MeView(APIView):
    @documented("My account", OwnUserSerializer)
    def get(self, request: MemberRequest) -> Response:
        return success(OwnUserSerializer(request.user).data)


class ChangePasswordView(APIView):
    throttle_classes = [AccountThrottle]

    @documented("Change the password", TokenSerializer, body=NewPasswordSerializer, errors=[501])
    def post(self, request: MemberRequest) -> Response:
        """Return a new token, because the one of this request is invalid now, too."""
        form = NewPasswordSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        services.change_password(user=request.user, **form.validated_data)
        return success({"token": issue_token(request.user)}, "Password changed successfully")


def _session(user: User) -> dict[str, object]:
    return {"user": OwnUserSerializer(user).data, "token": issue_token(user)}
