"""Every URL: the API, the admin; pages come with the portal."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler400 = "api.fallbacks.bad_request"
handler404 = "api.fallbacks.not_found"
handler500 = "api.fallbacks.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("api.urls")),
    path("admin/", admin.site.urls),
]
