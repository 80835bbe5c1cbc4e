"""`POST /mails`: a mail sent in the background."""

from celery import uuid
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.mail import LONGEST_BODY, LONGEST_SUBJECT, InvalidMail, compose
from app.web.accepted import Accepted, send_task
from app.web.problems import AWAY
from app.web.services import ServicesOf
from tasks.mail import WITHOUT_SERVER, send_mail

ADDRESS = r"^[!-~]+@[!-~]+$"
"""What every address looks like; whether one is an address, app.mail says."""

router = APIRouter(prefix="/mails", tags=["mails"])


class Mail(BaseModel):
    """A mail to one person."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(
        description="One address, of plain letters.",
        examples=["ada@example.org"],
        max_length=254,
        json_schema_extra={"pattern": ADDRESS},
    )
    subject: str = Field(max_length=LONGEST_SUBJECT)
    body: str = Field(max_length=LONGEST_BODY)


@router.post(
    "",
    summary="Send a mail",
    status_code=202,
    response_model=Accepted,
    responses=AWAY | {404: {"description": "No mail server is configured."}},
)
async def post_mail(mail: Mail, services: ServicesOf) -> Response:
    """Have a worker send a mail, once; the result of its task is the mail's Message-ID."""
    if services.settings.smtp_url is None:
        raise HTTPException(404, WITHOUT_SERVER)  # not for a while: until somebody sets it
    try:
        compose(services.settings.mail_from, mail.to, mail.subject, mail.body, uuid())
    except InvalidMail as error:
        raise HTTPException(422, str(error)) from None
    return await send_task(services, send_mail.s(mail.to, mail.subject, mail.body))
