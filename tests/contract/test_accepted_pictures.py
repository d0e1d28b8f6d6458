"""A picture that one entry point accepts is accepted by all of them."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from tests.contract import routes
from tests.contract.conftest import World
from tests.contract.test_routes import send
from tests.media.samples import FORMATS, sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_fake_ai", "_fake_google")]

JPEG = sample("JPEG")
PICTURES = {
    **{name: sample(name) for name in FORMATS},
    "bytes between two segments": JPEG[:20] + b"\0\1\2\3" + JPEG[20:],
    "a JPEG without its end": JPEG[:-2],
    "a GIF without its end": sample("GIF")[:-1],
    "a PNG without its end": sample("PNG")[:-12],
}
PAGES = {"/upload": "images", "/search": "image", "/settings/profile": "avatar"}


@pytest.mark.parametrize("name", PICTURES)
def test_every_route_takes_it(name: str, world: World) -> None:
    world.picture = PICTURES[name]
    with_files = [route for route in routes.ALL if route.files]
    statuses = {str(route): send(world, route).status_code for route in with_files}
    assert statuses == {str(route): route.status for route in with_files}


@pytest.mark.parametrize("name", PICTURES)
def test_every_page_takes_it(name: str, owner: User, client: Client) -> None:
    client.force_login(owner)
    for path, field in PAGES.items():
        file = SimpleUploadedFile("photo.jpg", PICTURES[name])
        form = {field: file, "first_name": "Hà", "title": "A picture"}
        assert client.post(path, form).status_code in (200, 302), path
