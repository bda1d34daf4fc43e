"""The form that switches an app with codes on."""

from __future__ import annotations

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.utils import encrypt


class SwitchOnForm(ActivateTOTPForm):
    def clean_code(self) -> str:
        """Use the code up: one that was seen when it switched the app on opens nothing later."""
        code: str = super().clean_code()
        data = {"secret": encrypt(self.secret)}
        app = Authenticator(user=self.user, type=Authenticator.Type.TOTP, data=data)
        if not app.wrap().validate_code(code):
            raise get_adapter().validation_error("incorrect_code")
        return code
