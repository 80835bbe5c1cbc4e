"""`POST /pictures` and `GET /pictures/{id}/{size}`: a picture that is sent, and the thumbnails made of it."""

import asyncio
from typing import Annotated, Final

from celery import uuid
from fastapi import APIRouter, HTTPException, Path, UploadFile
from starlette.responses import FileResponse, Response

from app.pictures.errors import NoPicture, PictureTooLarge
from app.pictures.store import ID, SIZES, Pictures
from app.sending import BrokerAway
from app.web.accepted import Accepted, send_task
from app.web.problems import AWAY
from app.web.services import Services, ServicesOf
from tasks.pictures import make_thumbnails

WEBP: Final = "image/webp"
A_WEEK: Final = "private, max-age=604800, immutable"

router = APIRouter(prefix="/pictures", tags=["pictures"])


@router.post(
    "",
    summary="Send a picture",
    status_code=202,
    response_model=Accepted,
    responses=AWAY | {507: {"description": "There is no room for the picture."}},
)
async def post_picture(file: UploadFile, services: ServicesOf) -> Response:
    """Send a JPEG, PNG or WebP of up to 10 MB; its thumbnails are then at /pictures/{id}/64, 256 and 1024."""
    picture_id, pictures = uuid(), _pictures(services)
    try:
        await asyncio.to_thread(pictures.keep, picture_id, file.file)
    except PictureTooLarge as error:
        raise HTTPException(413, str(error)) from None
    except NoPicture as error:
        raise HTTPException(415, str(error)) from None
    except OSError as error:
        raise HTTPException(507, f"The picture cannot be kept: {error.strerror}.") from None
    try:
        return await send_task(services, make_thumbnails.s(picture_id).set(task_id=picture_id))
    except BrokerAway as error:
        if not error.maybe_sent:
            await asyncio.to_thread(pictures.drop, picture_id)
        raise


@router.get(
    "/{picture_id}/{size}",
    summary="A thumbnail",
    response_class=Response,
    responses={200: {"content": {WEBP: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def show_thumbnail(
    picture_id: Annotated[str, Path(pattern=f"^{ID.pattern}$")], size: int, services: ServicesOf
) -> Response:
    """A picture with 64, 256 or 1024 pixels on its longer side, as WebP, with nothing in it but the picture."""
    path = _pictures(services).thumbnail(picture_id, size)
    if size not in SIZES or not await asyncio.to_thread(path.is_file):
        raise HTTPException(404, "There is no such thumbnail, or it is not made yet.")
    return FileResponse(path, media_type=WEBP, headers={"Cache-Control": A_WEEK})


def _pictures(services: Services) -> Pictures:
    return Pictures(services.settings.data_dir / "pictures")
