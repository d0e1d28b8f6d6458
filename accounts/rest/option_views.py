"""REST: choices of forms, and the survey."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import options, surveys
from accounts.models import Category
from accounts.rest.requests import MemberRequest
from accounts.rest.serializers import (
    CategorySerializer,
    OptionSerializer,
    OptionsSerializer,
    SurveyFormSerializer,
    SurveyOptionsSerializer,
    SurveySerializer,
    SurveyStatusSerializer,
)
from accounts.rest.views import PublicView
from smimso.web.openapi import documented
from smimso.web.responses import success


class OptionsView(PublicView):
    @documented("All choices of forms", OptionsSerializer)
    def get(self, request: Request) -> Response:
        data = {
            "jobs": options.JOBS,
            "categories": CategorySerializer(Category.objects.all(), many=True).data,
            "purposes": options.PURPOSES,
            "sources": options.SOURCES,
            "expectations": options.EXPECTATIONS,
        }
        return success(data, "Options retrieved successfully")


class JobsView(PublicView):
    @documented("Jobs to choose from", OptionSerializer(many=True))
    def get(self, request: Request) -> Response:
        return success(options.JOBS, "Job options retrieved successfully")


class CategoriesView(PublicView):
    @documented("Categories of posts", CategorySerializer(many=True))
    def get(self, request: Request) -> Response:
        data = CategorySerializer(Category.objects.all(), many=True).data
        return success(data, "Categories retrieved successfully")


class SurveyOptionsView(PublicView):
    @documented("Choices of the survey", SurveyOptionsSerializer)
    def get(self, request: Request) -> Response:
        categories = CategorySerializer(Category.objects.all(), many=True).data
        data = {
            "categories": categories,
            "usagePurposes": options.SURVEY_PURPOSES,
            "awarenessSources": options.SURVEY_SOURCES,
        }
        return success(data)


class SurveyView(APIView):
    @documented("My answers to the survey", SurveySerializer(allow_null=True))
    def get(self, request: MemberRequest) -> Response:
        survey = surveys.survey_of(request.user)
        if survey is None:
            return success(None, "No survey found")
        return success(SurveySerializer(survey).data)

    @documented("Answer the survey", SurveySerializer, body=SurveyFormSerializer, status=201)
    def post(self, request: MemberRequest) -> Response:
        form = SurveyFormSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        survey = surveys.submit_survey(user=request.user, **form.validated_data)
        data = SurveySerializer(survey).data
        return success(data, "Survey submitted successfully", status=201)


class SurveyStatusView(APIView):
    @documented("Whether I have answered the survey", SurveyStatusSerializer)
    def get(self, request: MemberRequest) -> Response:
        return success({"hasCompleted": surveys.survey_of(request.user) is not None})
