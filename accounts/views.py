"""REST: register, log in, who am I."""

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from accounts.serializers import LoginSerializer, OwnUserSerializer, RegistrationSerializer
from smimso.auth import issue_token
from smimso.errors import InvalidInput
from smimso.http import success


class RegisterView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    def post(self, request: Request) -> Response:
        form = RegistrationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = services.register_user(**form.validated_data)
        data = {"user": OwnUserSerializer(user).data, "token": issue_token(user)}
        return success(data, "Registration successful", status=201)


class LoginView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    def post(self, request: Request) -> Response:
        form = LoginSerializer(data=request.data)
        if not form.is_valid():
            raise InvalidInput("Email/Phone and password are required")
        user = services.authenticate_user(**form.validated_data)
        data = {"user": OwnUserSerializer(user).data, "token": issue_token(user)}
        return success(data, "Login successful")


class MeView(APIView):
    def get(self, request: Request) -> Response:
        return success(OwnUserSerializer(request.user).data)
