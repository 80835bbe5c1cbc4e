"""What can go wrong with a picture; each message is one sentence for a person."""


class PictureError(Exception):
    """The picture cannot be used."""


class PictureTooLarge(PictureError):
    """The file, or what it unfolds to, is larger than the limit."""


class NoPicture(PictureError):
    """The file is no picture of a kind that is known, or a damaged one."""
