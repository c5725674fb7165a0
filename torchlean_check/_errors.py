"""What can be wrong with a certificate. Nothing else may escape from the checker."""


class CertificateError(Exception):
    """A certificate that cannot be accepted: why, in which field of which file."""

    def __init__(self, message: str, field: str = "", file: str = ""):
        super().__init__(message)
        self.message, self.field, self.file = message, field, file

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.field) if part)
        return f"{where}: {self.message}" if where else self.message


class MalformedCertificate(CertificateError):
    """The bytes do not follow the format (docs/certificate.md)."""


class UnsupportedCertificate(CertificateError):
    """Well formed, but it uses something that this checker has no theorem for."""


class NotProved(CertificateError):
    """Well formed, but what the checker derives does not imply the claim."""
