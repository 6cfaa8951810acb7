"""Form fields of the admin: lists as lines or ticks instead of JSON, secrets that are written and never shown."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from common.unfold import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
)

KEEP = "Leave empty to keep what is set. It is never shown."


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, entry_validators: Iterable[Any] = (), **kwargs: Any) -> None:
        super().__init__(**{"required": False, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 4}), **kwargs})
        self._entry_validators = list(entry_validators)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """The lines that are not empty; raises what the validators of the whole list raise."""
        lines = [line.strip() for line in str(value or "").splitlines() if line.strip()]
        for validator in self._entry_validators:
            validator(lines)
        return lines

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or []) != self.clean(data)
        except ValidationError:
            return True


class CodesField(forms.MultipleChoiceField):
    """A list of known words, ticked."""

    def __init__(self, *, codes: Sequence[str], **kwargs: Any) -> None:
        choices = [(code, code) for code in codes]
        super().__init__(
            **{"choices": choices, "required": False, "widget": UnfoldAdminCheckboxSelectMultipleWidget, **kwargs}
        )


class SecretTextarea(UnfoldAdminTextareaWidget):
    """Lines that go in and never come out (PEM keys)."""

    def format_value(self, value: Any) -> str:
        return ""


class SecretField(forms.CharField):
    """A secret that can be set anew; an empty field leaves it as it is (GatewayAdmin.save_model)."""

    def __init__(self, *, lines: bool = False, **kwargs: Any) -> None:
        attrs = {"autocomplete": "new-password", **({"rows": 4} if lines else {})}
        widget = SecretTextarea(attrs) if lines else UnfoldAdminPasswordWidget(attrs=attrs, render_value=False)
        super().__init__(**{"required": False, "help_text": KEEP, "strip": not lines, "widget": widget, **kwargs})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)
